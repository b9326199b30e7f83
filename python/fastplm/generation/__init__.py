"""Text from models: generate(), its settings, its results and streamers."""

from fastplm.generation.config import GenerationConfig as GenerationConfig
from fastplm.generation.outputs import GenerateBeamDecoderOnlyOutput as GenerateBeamDecoderOnlyOutput
from fastplm.generation.outputs import GenerateBeamEncoderDecoderOutput as GenerateBeamEncoderDecoderOutput
from fastplm.generation.outputs import GenerateDecoderOnlyOutput as GenerateDecoderOnlyOutput
from fastplm.generation.outputs import GenerateEncoderDecoderOutput as GenerateEncoderDecoderOutput
