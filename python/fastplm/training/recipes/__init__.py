"""Recipes of `fastplm train`: examples and a model in, a trained model out, by transformers' Trainer."""

from fastplm.training.recipes.run import TASKS as TASKS
from fastplm.training.recipes.run import Settings as Settings
from fastplm.training.recipes.run import train as train
