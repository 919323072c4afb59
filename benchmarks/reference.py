"""CycleGAN's training step as one would write it down, with the layers of `torch.nn` and nothing clever.

It is what the guard measures us against, so what it computes never changes."""
import itertools

import torch
from torch import nn

from common import slices


class Residual(nn.Module):
    "x plus two convolutions of it."
    def __init__(self, c):
        super().__init__()
        self.body = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c), nn.ReLU(True),
                                  nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c))

    def forward(self, x): return x + self.body(x)


def normed(layer, channels): return [layer, nn.InstanceNorm2d(channels), nn.ReLU(True)]


def generator(width, blocks):
    "ResNet generator, one channel."
    w = width
    return nn.Sequential(
        nn.ReflectionPad2d(3), *normed(nn.Conv2d(1, w, 7), w),
        *normed(nn.Conv2d(w, 2*w, 3, 2, 1), 2*w), *normed(nn.Conv2d(2*w, 4*w, 3, 2, 1), 4*w),
        *(Residual(4*w) for _ in range(blocks)),
        *normed(nn.ConvTranspose2d(4*w, 2*w, 3, 2, 1, 1), 2*w), *normed(nn.ConvTranspose2d(2*w, w, 3, 2, 1, 1), w),
        nn.ReflectionPad2d(3), nn.Conv2d(w, 1, 7), nn.Tanh())


def discriminator(width):
    "PatchGAN of 70 pixels, one channel."
    c = width
    layers = [nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(.2, True)]
    for stride in (2, 2, 1):
        layers += [nn.Conv2d(c, 2*c, 4, stride, 1), nn.InstanceNorm2d(2*c), nn.LeakyReLU(.2, True)]
        c *= 2
    return nn.Sequential(*layers, nn.Conv2d(c, 1, 4, 1, 1))


def step(size, batch, width=32, blocks=9, dtype=torch.float32):
    """A step of both generators and both discriminators on the same random slices each time.

    It returns the two losses; its `parts` are the networks, its `batch` the slices."""
    torch.manual_seed(0)
    to_b, to_a = generator(width, blocks).to(dtype), generator(width, blocks).to(dtype)
    d_a, d_b = discriminator(width).to(dtype), discriminator(width).to(dtype)
    discriminators = d_a, d_b
    def adam(*networks): return torch.optim.Adam(itertools.chain(*(m.parameters() for m in networks)), 2e-4, (.5, .999))
    g_optimizer, d_optimizer = adam(to_b, to_a), adam(d_a, d_b)
    a, b = (slices(batch, 1, size, seed)[0].to(dtype) for seed in (0, 1))
    l1, mse = nn.L1Loss(), nn.MSELoss()

    def gan_loss(d, x, real):
        y = d(x)
        return mse(y, torch.ones_like(y) if real else torch.zeros_like(y))

    def run():
        for d in discriminators: d.requires_grad_(False)
        g_optimizer.zero_grad()
        fake_b, fake_a = to_b(a), to_a(b)
        gan = gan_loss(d_b, fake_b, True) + gan_loss(d_a, fake_a, True)
        cycle = l1(to_a(fake_b), a) + l1(to_b(fake_a), b)
        identity = l1(to_b(b), b) + l1(to_a(a), a)
        loss = gan + 10*cycle + 5*identity
        loss.backward()
        g_optimizer.step()
        for d in discriminators: d.requires_grad_(True)
        d_optimizer.zero_grad()
        d_losses = []
        for d, real, fake in ((d_a, a, fake_a), (d_b, b, fake_b)):
            d_losses.append(.5*(gan_loss(d, real, True) + gan_loss(d, fake.detach(), False)))
        for d_loss in d_losses: d_loss.backward()
        d_optimizer.step()
        return loss.detach(), sum(d_losses).detach()
    run.parts = dict(to_lesion=to_b, to_normal=to_a, normal=d_a, lesion=d_b)
    run.batch = dict(normal=a, lesion=b)
    return run
