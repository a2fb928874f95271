"""The planted wrong rules still fit the code that they change (`python -m tests.differential.plants` runs them)."""

import pytest

from tests.differential import plants
from tests.differential.categories import CATEGORIES


@pytest.mark.parametrize("plant", plants.PLANTS, ids=lambda plant: plant.name)
def test_the_rule_to_be_broken_stands_once_in_the_code(plant):
    assert plants.count(plant) == 1
    assert plant.old != plant.new
    for where in plant.where:
        category, _, sub = where.partition("/")
        assert not sub or sub in CATEGORIES[category]


def test_there_are_enough_of_them():
    assert len({plant.name for plant in plants.PLANTS}) == len(plants.PLANTS) >= 20
