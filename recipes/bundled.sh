#!/usr/bin/env bash
# Makes the weights that ship in src/acseg/bundled/.
#
#   recipes/bundled.sh PHOTOS WORK
#
# PHOTOS  a folder with the 18,823 photographs named in src/acseg/bundled/README.md
# WORK    a folder for what is made on the way; a killed call goes on where it was
#
# Cost on 2 cores of an AMD EPYC (AVX-512 bfloat16) and score: src/acseg/bundled/README.md.
# To go on, raise `steps` in recipes/bundled-stage3.toml and run it again: the checkpoint in
# WORK/backbone/state continues.
set -euo pipefail
photos=$1
work=$2
here=$(cd "$(dirname "$0")" && pwd)

acseg pretrain "$photos" -o "$work/stage1" --settings "$here/bundled-stage1.toml"
mkdir -p "$work/stage2/state" "$work/backbone/state" # the regions are found once for all stages
cp -n "$work/stage1/state/photos.safetensors" "$work/stage2/state/"
acseg pretrain "$photos" -o "$work/stage2" --settings "$here/bundled-stage2.toml" \
  --from "$work/stage1"
cp -n "$work/stage1/state/photos.safetensors" "$work/backbone/state/"
acseg pretrain "$photos" -o "$work/backbone" --settings "$here/bundled-stage3.toml" \
  --from "$work/stage2"
# One photograph in twelve is enough for the generator, which has seen each of them many times then.
mapfile -t some < <(find "$photos" -type f -name '*.jpg' | sort | awk 'NR % 12 == 0')
[ -f "$work/run/config.json" ] || acseg fit "${some[@]}" -o "$work/run" \
  --backbone "$work/backbone" --side 112 --stride 4 --concepts 8 \
  --steps 1500 --learning-rate 1e-3 --descriptor mean-token
python "$here/bundle.py" "$work/backbone" "$work/run"
