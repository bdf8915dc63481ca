#!/usr/bin/env bash
# A study over the machines of a SLURM cluster: each task of the array runs one part; the job behind them joins these.
#
#   examples/cluster/slurm.sh study.toml 20          # 20 tasks; the results are in results.jsonl
#
# Nets and samples lie where all machines see them. A task that was ended goes on where it was when it is submitted again.
set -euo pipefail
study=${1:?the study, a .toml file}
parts=${2:?the number of parts}
folder=$(mktemp -d --tmpdir="$PWD")
array=$(sbatch --parsable --array="1-$parts" --cpus-per-task=4 --job-name=snn-sweep --output="$folder/%a.log" --wrap \
    "snn-event sweep '$study' --shard \$SLURM_ARRAY_TASK_ID/$parts --threads 4 --out '$folder'/\$SLURM_ARRAY_TASK_ID.jsonl")
sbatch --parsable --dependency="afterok:$array" --job-name=snn-merge --output="$folder/merge.log" --wrap \
    "snn-event merge '$folder'/*.jsonl --out results.jsonl"
