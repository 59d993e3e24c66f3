"""Import audiocraft with stand-ins, and give out its names that are used here. Nothing else imports audiocraft."""

from worker.engine.imports.stand_ins import stand_ins

with stand_ins():
    from audiocraft import __version__ as AUDIOCRAFT_VERSION  # noqa: N812
    from audiocraft.data.audio_utils import convert_audio
    from audiocraft.models import MusicGen, builders
    from audiocraft.models.encodec import (
        CompressionModel,
        EncodecModel,
        HFEncodecCompressionModel,
        InterleaveStereoCompressionModel,
    )
    from audiocraft.models.lm import LMModel
    from audiocraft.models.loaders import _delete_param as delete_param
    from audiocraft.modules.chroma import ChromaExtractor
    from audiocraft.modules.conditioners import (
        BaseConditioner,
        ChromaStemConditioner,
        ClassifierFreeGuidanceDropout,
        ConditioningAttributes,
        ConditioningProvider,
        T5Conditioner,
        TextConditioner,
        WavCondition,
        WaveformConditioner,
    )
    from audiocraft.modules.conv import StreamableConv1d, StreamableConvTranspose1d
    from audiocraft.modules.lstm import StreamableLSTM
    from audiocraft.modules.seanet import SEANetDecoder, SEANetResnetBlock
    from audiocraft.modules.transformer import create_sin_embedding
    from audiocraft.utils.autocast import TorchAutocast

__all__ = [
    "AUDIOCRAFT_VERSION",
    "BaseConditioner",
    "ChromaExtractor",
    "ChromaStemConditioner",
    "ClassifierFreeGuidanceDropout",
    "CompressionModel",
    "ConditioningAttributes",
    "ConditioningProvider",
    "EncodecModel",
    "HFEncodecCompressionModel",
    "InterleaveStereoCompressionModel",
    "LMModel",
    "MusicGen",
    "SEANetDecoder",
    "SEANetResnetBlock",
    "StreamableConv1d",
    "StreamableConvTranspose1d",
    "StreamableLSTM",
    "T5Conditioner",
    "TextConditioner",
    "TorchAutocast",
    "WavCondition",
    "WaveformConditioner",
    "builders",
    "convert_audio",
    "create_sin_embedding",
    "delete_param",
]
