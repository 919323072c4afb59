"""CycleGAN's training step as one would write it down, with the layers of `torch.nn` and nothing clever: what the guard measures us against. It never changes."""
import itertools

import torch
from torch import nn

from common import slices


def generator(width, blocks):
    "ResNet generator, one channel."
    norm = lambda c: nn.InstanceNorm2d(c)
    def residual(c):
        body = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), norm(c), nn.ReLU(True), nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), norm(c))
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = body
            def forward(self, x): return x + self.body(x)
        return Block()
    w = width
    return nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(1, w, 7), norm(w), nn.ReLU(True), nn.Conv2d(w, 2*w, 3, 2, 1), norm(2*w), nn.ReLU(True), nn.Conv2d(2*w, 4*w, 3, 2, 1), norm(4*w), nn.ReLU(True),
                         *(residual(4*w) for _ in range(blocks)), nn.ConvTranspose2d(4*w, 2*w, 3, 2, 1, 1), norm(2*w), nn.ReLU(True), nn.ConvTranspose2d(2*w, w, 3, 2, 1, 1), norm(w), nn.ReLU(True),
                         nn.ReflectionPad2d(3), nn.Conv2d(w, 1, 7), nn.Tanh())


def discriminator(width):
    "PatchGAN of 70 pixels, one channel."
    layers, c = [nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(.2, True)], width
    for stride in (2, 2, 1):
        layers += [nn.Conv2d(c, 2*c, 4, stride, 1), nn.InstanceNorm2d(2*c), nn.LeakyReLU(.2, True)]
        c *= 2
    return nn.Sequential(*layers, nn.Conv2d(c, 1, 4, 1, 1))


def step(size, batch, width=32, blocks=9, dtype=torch.float32):
    "A step of both generators and both discriminators on the same random slices each time, which returns the two losses; its `parts` are the networks."
    torch.manual_seed(0)
    to_b, to_a, d_a, d_b = (m.to(dtype) for m in (generator(width, blocks), generator(width, blocks), discriminator(width), discriminator(width)))
    g_parts, d_parts = (to_b, to_a), (d_a, d_b)
    optimizers = [torch.optim.Adam(itertools.chain(*(m.parameters() for m in parts)), 2e-4, (.5, .999)) for parts in (g_parts, d_parts)]
    a, b = (slices(batch, 1, size, seed)[0].to(dtype) for seed in (0, 1))
    l1, mse = nn.L1Loss(), nn.MSELoss()
    says = lambda d, x, real: mse(y := d(x), torch.ones_like(y) if real else torch.zeros_like(y))
    def run():
        for d in d_parts: d.requires_grad_(False)
        optimizers[0].zero_grad()
        fake_b, fake_a = to_b(a), to_a(b)
        loss = says(d_b, fake_b, True) + says(d_a, fake_a, True) + 10*(l1(to_a(fake_b), a) + l1(to_b(fake_a), b)) + 5*(l1(to_b(b), b) + l1(to_a(a), a))
        loss.backward()
        optimizers[0].step()
        for d in d_parts: d.requires_grad_(True)
        optimizers[1].zero_grad()
        judged = [.5*(says(d, real, True) + says(d, fake.detach(), False)) for d, real, fake in ((d_a, a, fake_a), (d_b, b, fake_b))]
        for part in judged: part.backward()
        optimizers[1].step()
        return loss.detach(), sum(judged).detach()
    run.parts, run.batch = dict(to_lesion=to_b, to_normal=to_a, normal=d_a, lesion=d_b), dict(normal=a, lesion=b)
    return run
