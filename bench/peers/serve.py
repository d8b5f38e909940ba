"""A peer that stays: serve.py MODULE [KEY=VALUE…] answers a line of JSON for each that it reads.

MODULE is pytorch_steps or keras_steps (keys net, threads), pytorch_conv or pytorch_gemm (key
threads). The first line says who it is; `bench/run` asks the rest, one measurement a line, and
stops the process while others are measured.
"""
import importlib
import json
import sys


class Convolutions:
    def __init__(self, threads):
        self.module = importlib.import_module('pytorch_conv')
        self.module.torch.set_num_threads(threads)

    def hello(self):
        return {'name': f'PyTorch {self.module.torch.__version__}'}

    def measure(self, case, seconds):
        return {'ops': self.module.time_case(case, seconds)}


class Products:
    def __init__(self, threads):
        self.module = importlib.import_module('pytorch_gemm')
        self.module.torch.set_num_threads(threads)

    def hello(self):
        return {'name': f'PyTorch {self.module.torch.__version__} (MKL) and NumPy '
                        f'{self.module.numpy.__version__} (OpenBLAS)'}

    def measure(self, shape, seconds):
        return self.module.measure(shape, seconds)


PEERS = {'pytorch_conv': Convolutions, 'pytorch_gemm': Products}


def main():
    name, *pairs = sys.argv[1:]
    keys = {key: int(value) if value.isdigit() else value
            for key, value in (pair.split('=', 1) for pair in pairs)}
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is not an answer
    make = PEERS.get(name) or importlib.import_module(name).Peer
    peer = make(**keys)
    print(json.dumps(peer.hello()), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(peer.measure(**json.loads(line))), file=answers, flush=True)


if __name__ == '__main__':
    main()
