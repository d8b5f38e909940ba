"""Convolutions by oneDNN through PyTorch, channels_last: forward and both gradients, op by op.

A case is written as `umbel bench op` shows it, input [N,H,W,C] first:

    pytorch_conv.py '32,56,56,64 filters=64 size=3 padding=1' '128,28,28,1 filters=32 size=3'

Keys: filters, size, stride, padding, dilation, groups (numbers, or height,width). Without cases a
list is timed. Each of the passes named as in Umbel: conv (with bias), conv_backward_data,
conv_backward_weights (without the bias's gradient). GB/s counts inputs and outputs once.
"""
import argparse
import json
import statistics
import time

import torch

PASSES = ('conv', 'conv_backward_data', 'conv_backward_weights')
CASES = (
    '64,32,32,64 filters=128 size=3 padding=1',
    '32,56,56,64 filters=64 size=3 padding=1',
    '32,28,28,128 filters=128 size=3 padding=1',
    '32,14,14,256 filters=256 size=3 padding=1',
    '128,13,13,32 filters=64 size=3',
    '32,56,56,64 filters=256 size=1',
    '32,14,14,256 filters=256 size=1',
    '32,56,56,256 filters=512 size=1 stride=2',
    '32,56,56,64 filters=128 size=3 stride=2 padding=1',
    '32,28,28,64 filters=64 size=5 padding=2',
    '32,56,56,64 filters=64 size=3 padding=1 groups=64',
    '32,56,56,128 filters=128 size=3 stride=2 padding=1 groups=128',
    '32,28,28,128 filters=128 size=3 padding=1 groups=4',
    '128,28,28,1 filters=32 size=3',
    '64,32,32,3 filters=64 size=3 padding=1',
    '64,32,32,3 filters=128 size=3 padding=1',
    '32,64,64,3 filters=64 size=7 stride=2 padding=3',
)


class Case:
    def __init__(self, text):
        self.text = text
        extents, *pairs = text.split()
        keys = {key: [int(n) for n in value.split(',')]
                for key, value in (pair.split('=') for pair in pairs)}
        n, h, w, c = (int(extent) for extent in extents.split(','))
        self.filters, self.groups = keys['filters'][0], keys.get('groups', [1])[0]
        self.size = (keys['size'] * 2)[:2]
        self.stride, self.padding, self.dilation = (
            (keys.get(key, default) * 2)[:2]
            for key, default in (('stride', [1]), ('padding', [0]), ('dilation', [1])))
        self.x = like(torch.randn(n, c, h, w))
        self.weight = like(torch.randn(self.filters, c // self.groups, *self.size) * 0.1)
        self.bias = torch.randn(self.filters)
        self.dy = like(torch.randn_like(self.run('conv')))

    def run(self, name):
        keys = (self.stride, self.padding, self.dilation)
        if name == 'conv':
            return torch.conv2d(self.x, self.weight, self.bias, *keys, self.groups)
        mask = [name == 'conv_backward_data', name == 'conv_backward_weights', False]
        return torch.ops.aten.convolution_backward(
            self.dy, self.x, self.weight, [self.filters], *keys, False, [0, 0], self.groups, mask)

    def flops(self):
        return 2 * self.dy.numel() * self.weight[0].numel()

    def bytes(self):
        return 4 * (self.x.numel() + self.weight.numel() + self.dy.numel())


def like(tensor):
    return tensor.contiguous(memory_format=torch.channels_last)


def time_runs(case, name, seconds):
    """Seconds of each run, behind a first that is not counted: 5 to 200 of them."""
    with torch.inference_mode():
        case.run(name)
        times, end = [], time.perf_counter() + seconds
        while len(times) < 5 or (len(times) < 200 and time.perf_counter() < end):
            start = time.perf_counter()
            case.run(name)
            times.append(time.perf_counter() - start)
    return times


def time_case(text, seconds):
    case = Case(text)
    rows = []
    for name in PASSES:
        times = time_runs(case, name, seconds)
        rows.append({'op': name, 'case': text,
                     'ms': {'median': 1e3 * statistics.median(times), 'min': 1e3 * min(times)},
                     'gflops': case.flops() / min(times) / 1e9,
                     'gbs': case.bytes() / min(times) / 1e9})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', metavar='CASE')
    parser.add_argument('--seconds', type=float, default=0.3, help='of each pass')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', action='store_true', help='one JSON object instead of a table')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [row for text in args.cases or CASES for row in time_case(text, args.seconds)]
    if args.json:
        print(json.dumps({'torch': torch.__version__, 'threads': args.threads, 'ops': rows},
                         indent=2))
        return
    for row in rows:
        print(f'{row["op"]:22} {row["case"]:62} {row["ms"]["median"]:9.3f} ms '
              f'{row["gflops"]:7.1f} GFLOP/s {row["gbs"]:6.1f} GB/s')


if __name__ == '__main__':
    main()
