"""Pipelines: text in, answers out, with the tasks, arguments and outputs of transformers 4.57.

`fastplm.pipeline("text-classification", model=folder)` makes one. A task is one file here and one row of
`table.TASKS`.
"""

from fastplm.pipelines.base import Pipeline as Pipeline
from fastplm.pipelines.data import KeyDataset as KeyDataset
from fastplm.pipelines.data import KeyPairDataset as KeyPairDataset
from fastplm.pipelines.loading import pipeline as pipeline
from fastplm.pipelines.table import TASKS as TASKS
