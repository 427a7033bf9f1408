#!/bin/sh
# Run the experiment from one seed in a clone of its own, and push what came of it: a node's part of
# a sweep. docs/recipes.md says what every node needs.
#     sh examples/run_seed.sh SEED [TARGET...]    targets of dvc; without any, the whole pipeline
set -eu

seed=$1
shift
# Where nodes clone from and push to; by default where this clone came from.
repository=${REPOSITORY:-$(git remote get-url origin)}

# DVC works on one experiment at a time in a folder, so each seed has its own.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet "$repository" "$work/clone"
cd "$work/clone"

dvc pull data/tokens data/encoder.json data/vocab.bpe
dvc exp run --name "seed-$seed" --set-param "train.seed=$seed" "$@"
dvc exp push origin "seed-$seed"
