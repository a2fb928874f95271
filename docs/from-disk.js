// The site read from disk: a browser starts no worker there and fetches no file, so the search's index comes as a script.
if (location.protocol === 'file:') {
  window.Worker = class {
    constructor() {
      const load = (name) => new Promise((loaded) => {
        const script = document.createElement('script');
        script.src = joinUrl(base_url, `search/${name}`);
        script.onload = loaded;
        document.head.append(script);
      });
      this.index = load('lunr.js').then(() => load('search_index.js')).then(() => {
        const index = lunr(function () {
          this.ref('location');
          this.field('title');
          this.field('text');
          search_index.docs.forEach((page) => this.add(page));
        });
        this.onmessage({ data: { config: search_index.config } });
        this.onmessage({ data: { allowSearch: true } });
        return index;
      });
    }

    postMessage({ query }) {
      if (!query) return;
      this.index.then((index) => {
        const pages = new Map(search_index.docs.map((page) => [page.location, page]));
        const results = index.search(query).map(({ ref }) => ({ ...pages.get(ref), summary: pages.get(ref).text.slice(0, 200) }));
        this.onmessage({ data: { results } });
      });
    }
  };
}
