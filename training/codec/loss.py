"""How far a reconstruction is from the original: mel spectra at three sizes, fine low frequencies, the wave itself."""

import torch
import torchaudio
from torch import nn

FLOOR = 1e-3


class ReconstructionLoss(nn.Module):
    """Log and linear spectral distance. The long window looks only below 4 kHz: there, pitch is decided."""

    def __init__(self, sample_rate: int = 32000) -> None:
        super().__init__()
        self.mels = nn.ModuleList(
            torchaudio.transforms.MelSpectrogram(
                sample_rate, n_fft=size, hop_length=size // 4, n_mels=bands, power=1, norm="slaney", mel_scale="slaney"
            )
            for size, bands in ((256, 24), (512, 48), (1024, 80), (2048, 96))
        )
        self.register_buffer("window", torch.hann_window(4096), persistent=False)

    def spectra(self, wave: torch.Tensor) -> list[torch.Tensor]:
        """[batch, 1, samples] -> several [batch, bands, frames]"""
        flat = wave.squeeze(1)
        low = torch.stft(flat, 4096, 1024, window=self.window, return_complex=True)[:, :512]
        return [mel(flat) * 8 for mel in self.mels] + [torch.sqrt(low.real**2 + low.imag**2 + 1e-7) / 32]

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Named parts, already weighted; their sum is the loss."""
        log, linear = output.new_zeros(()), output.new_zeros(())
        for got, wanted in zip(self.spectra(output), self.spectra(target), strict=True):
            log = log + (torch.log(got + FLOOR * 10) - torch.log(wanted + FLOOR * 10)).abs().mean()
            linear = linear + (got - wanted).abs().mean()
        return {"log": log / 5, "linear": linear, "time": 2 * (output - target).abs().mean()}
