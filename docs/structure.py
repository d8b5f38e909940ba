"""Draws the forward part of a network: umbel plan FILE --json | python3 docs/structure.py | dot -Tsvg

Nodes that are alike are of one colour, pale where they have weights that are frozen; what several tasks
read is inside the box called shared, and a dashed line joins layers that have the same weights. With
UMBEL_FUSE=0 every layer is a node of its own."""
import json
import sys

COLOURS = {'conv': '#3f7cac', 'dense': '#3f7cac', 'cross_stitch': '#c94f7c', 'mixture': '#c94f7c',
           'multiply': '#c94f7c', 'add': '#c94f7c', 'graph_mix': '#c94f7c', 'match': '#c94f7c',
           'embedding': '#4d8a3c', 'softmax': '#b5761c', 'sigmoid': '#b5761c'}
PLAIN, FROZEN = '#8a8f84', '#a9bccb'
HEAD = """digraph {
  graph [rankdir=BT, fontname=sans, style=rounded, color="#9aa093", ranksep=0.28, nodesep=0.18];
  node [shape=box, style="rounded,filled", fontname=sans, fontsize=10, fontcolor=white, color=none,
        height=0.3, margin="0.08,0.04"];
  edge [color="#6c7166", arrowsize=0.6];"""
LEFT_OUT = ('relu', 'leaky_relu', 'flatten', 'normalize', 'rows', 'join')  # their readers read on


def quoted(text):
    return '"' + text.replace('\\', '').replace('"', '') + '"'


def colour(node, plan):
    """Nothing goes back to the weights of what is frozen."""
    weighted = any(value.endswith('.weight') for value in node['in'])
    if weighted and not any(n['phase'] == 'backward' and n['name'].startswith(node['name'] + '.')
                            for n in plan['nodes']):
        return FROZEN
    return COLOURS.get(node['op'], PLAIN)


def box(node, table, plan):
    shape = '×'.join(str(extent) for extent in node['shape'][0 if table else 1:])
    name = node['name'].split('.')[-1]
    label = name if name.startswith(node['op']) else f"{name}\\n{node['op']}"
    return (f"label=\"{label}\\n{shape}\", "
            f'fillcolor="{colour(node, plan)}"')


def sources_of(node, maker):
    """What the node's inputs come from; of images that went through together, its stream's alone."""
    found = list(dict.fromkeys(s for value in node['in'] for s in maker.get(value, [value])))
    found = [s for s in found if s.endswith('.image') or s in maker]
    if node['op'] == 'rows' and all(s.endswith('.image') for s in found):
        return [s for s in found if s == node['name'].split('.', 1)[1] + '.image']
    return found


def main():
    plan = json.load(sys.stdin)
    maker, tables, parts, edges = {}, set(), {}, []  # maker: of a value, the nodes its readers see
    owner = {}  # of a weight, the first layer that has it
    print(HEAD)
    for n in (n for n in plan['nodes'] if n['phase'] == 'forward'):
        sources = sources_of(n, maker)
        if n['op'] == 'normalize':
            print(f'  {quoted(sources[0])} [label={quoted(sources[0])}, fillcolor="{PLAIN}"];')
        if n['op'] in LEFT_OUT:
            maker[n['out'][0]] = sources
            continue
        maker.update({value: [n['name']] for value in [*n['out'], n['name']]})
        if n['op'] == 'embedding' or (sources and all(s in tables for s in sources)):
            tables.add(n['name'])
        parts.setdefault(n['part'], []).append(n)
        edges += [(s, n['name'], '') for s in sources]
        edges += [(owner[v], n['name'], ' [dir=none, style=dashed, constraint=false]')
                  for v in n['in'] if v.endswith('.weight') and v in owner]
        owner.update({v: n['name'] for v in n['in'] if v not in owner})
    for i, (part, members) in enumerate(parts.items()):
        print(f'  subgraph cluster_{i} {{ label={quoted("shared" if part == "trunk" else part)};')
        for n in members:
            print(f"    {quoted(n['name'])} [{box(n, n['name'] in tables, plan)}];")
        print('  }')
    for a, b, style in edges:
        print(f'  {quoted(a)} -> {quoted(b)}{style};')
    print('}')


if __name__ == '__main__':
    main()
