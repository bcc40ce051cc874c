#!/usr/bin/env bash
# The whole way, in stages; each one is skipped where it is already done.  `./run.sh --help` says how.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${VENV:-$here/.venv}
to_build_with=(torch numpy cython setuptools wheel) # fairseq and s3prl

usage() {
    cat <<'USAGE'
./run.sh                      install, make speech, pre-train mini models on equal budgets, evaluate them, write a report
./run.sh --study NAME         install and run an experiment of the papers; `fairseq-budget study list` says which there are
./run.sh test [--all] [...]   install and run the tests (further arguments go to pytest)
./run.sh wheels DIR           install, and fill DIR with all packages, for a machine like this one that reaches no index

stages: 0 install, 1 corpus, 2 labels, 3 pre-train, 4 downstream, 5 report
  --stage N            first stage (default 0)
  --stop-stage N       last stage (default 5)
  --objectives "A B"   of those that `fairseq-budget objectives` lists (default: all)
  --sizes "A B"        of 30, 50, 70, small, slim, 200, base, large (default: "30 50 slim"), or mini sizes
  --rounds N           HuBERT's rounds (default 1).  2: labels of MFCC, a first HuBERT on 250/400 of the budget, labels of its
                       middle layer, and from those the models asked for, each on the whole budget (in stages 2 and 3)
  --teacher S          size of the first round's HuBERT, with --rounds 2 (default slim)
  --budget B           mini (default without --sizes and --rounds): mini sizes from mel frames, HuBERT on two budgets, to see a U-curve;
                       demo: the papers' front end and sizes, to see everything work; paper; or a number of FLOPs for each
                       run; on a CPU a number goes with the demo's small batches, and evaluation is shortened
  --scale S            with --study: mini, on this machine in less than an hour (default), or paper, as published
  --data D             synthetic; a folder of audio; or a folder with train.tsv and valid.tsv (default synthetic)
  --out DIR            where everything goes (default: demo, in the current folder)
  --device D           cpu, cuda (default: cuda where torch sees a GPU)
  --seed N             of the speech that is made and of the models, of which some have N + 1 and N + 2, too (default 1)

environment
  SPEECH_COMMANDS      folder with the keyword corpus, train/ and test/ (default: synthetic keywords under --out)
  VENV                 virtual environment (default: .venv beside this file)
  PYTHON               Python 3.11, 3.12 or 3.13 to make it with (default: the newest on the path and among pyenv's)
  WHEELS               folder that `./run.sh wheels` has filled: install from it alone
  HASHES               yes: install no file whose hash isn't in constraints-hashes.txt (torch and its CUDA libraries apart)
USAGE
}

fail() {
    echo "error: $*" >&2
    exit 2
}

say() { echo "== $*" >&2; }

# stage 0

# the one that PYTHON names, or the newest on the path and among pyenv's
find_python() {
    local version candidate candidates=()
    for version in 3.13 3.12 3.11; do
        candidates+=("python$version" "/usr/bin/python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python)
    done
    candidates+=(python3 python)
    if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed: install one, or name it with PYTHON=/path/to/python3.13"
}

install() {
    if [ -n "${WHEELS:-}" ]; then
        [ -d "$WHEELS" ] || fail "WHEELS=$WHEELS is not a folder: fill one with ./run.sh wheels, where there is a network"
        [ "${HASHES:-no}" = no ] || fail "HASHES goes with an index, and not with WHEELS: packages built here have hashes of their own"
    fi
    local stamp=$venv/.fairseq-budget wanted python free
    wanted=$(cat "$here/setup.py" "$here"/constraints*.txt "$here"/s3prl_upstreams/startup/*fairseq_budget* | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted $here" ]; then
        return
    fi
    say "installing into $venv"
    if [ ! -x "$venv/bin/pip" ]; then # one that stands keeps its Python
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "$python has no pip or venv: install them (on Debian and Ubuntu: apt install python3-venv)"
        free=$(df -Pk "$(dirname "$venv")" | awk 'NR == 2 {print int($4 / 1048576)}')
        [ "$free" -ge 8 ] || fail "$free GiB are free at $(dirname "$venv"), 8 are needed: make room, or set VENV to a place with more"
        "$python" -m venv "$venv"
    fi
    # fairseq's and s3prl's build files need these in place; with isolation they would download a second torch
    if [ "${HASHES:-no}" = yes ]; then
        pip_install --constraint "$here/constraints.txt" torch
        pip_install --require-hashes --no-deps --requirement <(hashes_of numpy cython setuptools)
        pip_install --require-hashes --no-deps --no-build-isolation --requirement "$here/constraints-hashes.txt"
        pip_install --no-deps --no-build-isolation --editable "$here"
    else
        pip_install --constraint "$here/constraints.txt" "${to_build_with[@]}"
        pip_install --no-build-isolation --constraint "$here/constraints.txt" --editable "$here[test]"
    fi
    echo "$wanted $here" >"$stamp"
}

# READTHEDOCS is fairseq's own switch for an installation without compiled extensions, hence without a compiler
pip_install() {
    local from=()
    if [ -n "${WHEELS:-}" ]; then from=(--no-index --find-links "$WHEELS"); fi
    READTHEDOCS=1 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${from[@]}" "$@"
}

# what has no wheel is built here, so that the other machine needs neither compiler nor index
fill_with_wheels() { # folder
    [ $# -eq 1 ] || fail "./run.sh wheels needs a folder to fill; see ./run.sh --help"
    install
    mkdir -p "$1"
    say "filling $1"
    READTHEDOCS=1 "$venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --wheel-dir "$1" \
        --constraint "$here/constraints.txt" "${to_build_with[@]}" "$here[test]"
    rm -f "$1"/fairseq_budget-*.whl # the checkout itself is installed there
    say "$(find "$1" -name '*.whl' | wc -l) packages, $(du -sh "$1" | cut -f1): copy $1 and this checkout, and say WHEELS=$1 ./run.sh there"
}

# the entries of these packages in constraints-hashes.txt; each goes over several lines, all but the last ending in a backslash
hashes_of() {
    awk -v names=" $* " '/^[a-z]/ {split($1, name, "=="); wanted = index(names, " " name[1] " ")} wanted' "$here/constraints-hashes.txt"
}

# stages 1 to 5; a stage leaves what the next one reads

corpus() {
    if [ -f "$data/train.tsv" ] && [ -f "$data/valid.tsv" ]; then
        return
    fi
    if [ "$source" = synthetic ]; then
        fairseq-budget corpus synthetic "$out/corpus" --hours 0.5 --dev-hours 0.2 --keyword-speakers 24 --seed $((seed - 1))
        fairseq-budget manifest "$out/corpus/librispeech/train-clean" \
            --valid-root "$out/corpus/librispeech/dev-clean" --out "$data"
    else
        fairseq-budget manifest "$source" --valid-share 0.05 --out "$data"
    fi
    if [ -z "${SPEECH_COMMANDS:-}" ] && [ ! -d "$out/corpus/speech_commands" ]; then
        fairseq-budget corpus synthetic "$out/corpus" --hours 0.05 --dev-hours 0.02 --keyword-speakers 24 --seed $((seed - 1))
    fi
}

labels() {
    local objective wanted=
    for objective in $objectives; do
        if needs_labels "$objective"; then wanted=yes; fi
    done
    [ "$wanted" ] || return 0
    fairseq-budget labels "$data"
    [ "$rounds" = 2 ] || return 0
    begun=0 models=1
    train hubert "$teacher" "$round1" "${round1_options[@]}"
    fairseq-budget labels "$data" --label-dir "$round1/labels" --device "$device" "${label_options[@]}" \
        --checkpoint "$round1/checkpoints/checkpoint_last.pt"
}

pretrain() {
    if [ "$budget" = mini ]; then
        pretrain_mini
        return
    fi
    local objective size
    begun=0 models=$(($(wc -w <<<"$objectives") * $(wc -w <<<"$sizes")))
    for objective in $objectives; do
        for size in $sizes; do
            if [ "$rounds" = 2 ] && needs_labels "$objective"; then
                train "$objective" "$size" "$out/pretrain/$(name_of "$objective" "$size")" "${budget_options[@]}" \
                    "task.label_dir=$round1/labels"
            else
                train "$objective" "$size" "$out/pretrain/$(name_of "$objective" "$size")" "${budget_options[@]}"
            fi
        done
    done
}

# HuBERT on two budgets a factor 16 apart, so that the best size moves by more than seeds do, the others on one between them;
# of one point of each curve three seeds; and one model with the papers' convolutions.  Each utterance's own statistics take
# speaker and channel away, which helps words.
pretrain_mini() {
    local objective number others=$((seed + 1)),$((seed + 2))
    number=$(wc -w <<<"$sizes") begun=0 models=1
    for objective in $objectives; do
        models=$((models + number + 2))
        if [ "$objective" = hubert ]; then models=$((models + number + 2)); fi
    done
    for objective in $objectives; do
        if [ "$objective" = hubert ]; then
            sweep hubert "${small_sizes// /,}" 5e10 "$seed"
            sweep hubert "${sizes// /,}" 8e11 "$seed"
            sweep hubert "$seeds_size" 5e10 "$others"
            sweep hubert "$larger_seeds_size" 8e11 "$others"
        else
            sweep "$objective" "${small_sizes// /,}" 1e11 "$seed"
            sweep "$objective" "$seeds_size" 1e11 "$others"
        fi
    done
    budget=demo train hubert slim "$out/pretrain/hubert-slim" budget=demo task.budget.flops=1e12
}

sweep() { # objective sizes FLOPs seeds
    local folder=$out/pretrain stamp="$out/pretrain/.finished-$1-$2-$3-$4" size number runs=()
    for size in ${2//,/ }; do
        for number in ${4//,/ }; do runs+=("$folder/$1-$size-$3-seed$number"); done
    done
    local before=$begun
    begun=$((begun + ${#runs[@]}))
    [ -f "$stamp" ] && return
    fairseq-hydra-train -m --config-dir "$here/recipes" --config-name "$1" frontend=mel "size=$2" budget=mini data=folder \
        model.mel_statistics=utterance "task.data=$data" "task.budget.flops=$3" "common.seed=$4" "device=$device" \
        "hydra.sweep.dir=$folder" \
        "hydra.sweep.subdir=$1-\${hydra.runtime.choices.size}-$3-seed\${common.seed}" "${side_by_side[@]}" 2>&1 |
        fairseq-budget watch "models $((before + 1)) to $begun of $models: $1, $3 FLOPs, sizes $2, seeds $4" "${runs[@]}"
    touch "$stamp"
}

train() { # objective size folder [overrides]
    begun=$((begun + 1))
    [ -f "$3/.finished-$budget" ] && return
    fairseq-hydra-train --config-dir "$here/recipes" --config-name "$1" "size=$2" "${seed_options[@]}" "${@:4}" \
        data=folder "task.data=$data" "device=$device" "hydra.run.dir=$3" 2>&1 |
        fairseq-budget watch "model $begun of $models: ${3#"$out"/}" "$3"
    touch "$3/.finished-$budget"
}

name_of() { # objective size
    if [ "$rounds" = 2 ] && needs_labels "$1"; then echo "$1-$2-round2"; else echo "$1-$2"; fi
}

needs_labels() { # objective
    [[ " $labelled " == *" $1 "* ]]
}

downstream() {
    export SPEECH_COMMANDS=${SPEECH_COMMANDS:-$out/corpus/speech_commands}
    local objective size name
    if [ "$budget" = mini ]; then
        downstream_mini
        return
    fi
    evaluate fbank fbank
    for objective in $objectives; do
        for size in $sizes; do
            name=$(name_of "$objective" "$size")
            evaluate "$name" "budget_$size" -k "$out/pretrain/$name/checkpoints/checkpoint_last.pt"
        done
    done
}

# what pre-training gave: beside FBANK and the same model before its first update; the best of four learning rates on dev,
# three seeds each
downstream_mini() {
    local number checkpoint=$out/pretrain/hubert-$heard_size-8e11-seed$seed/checkpoints/checkpoint_last.pt
    for ((number = seed; number < seed + 3; number++)); do
        keywords "$number" fbank
        [ -f "$checkpoint" ] || continue
        keywords "$number" random_local "$checkpoint"
        keywords "$number" budget_local "$checkpoint"
    done
}

keywords() { # seed upstream [checkpoint]
    env -u OMP_NUM_THREADS fairseq-budget superb "${@:3}" --upstream "$2" --tasks ks --seed "$1" --device "$device" \
        --lr 1e-1,1e-2,1e-3,1e-4 --steps 200 --workers 0 --out "$out/downstream/$2-seed$1"
}

evaluate() { # name upstream [more of s3prl's options]
    local folder=$out/downstream/ks/$1
    [ -f "$folder/record.json" ] && return
    mkdir -p "$folder"
    python -m s3prl_upstreams.run_downstream -m train -d speech_commands -c "$here/recipes/superb/ks.yaml" \
        -p "$folder" -u "$2" "${@:3}" --device "$device" "${downstream_options[@]}" 2>&1 |
        tee "$folder/output.txt" | fairseq-budget watch "keyword spotting, $1" "$folder"
}

report() { fairseq-budget report "$out"; }

run_tests() {
    install
    local selection=(-m "not slow")
    if [ "${1:-}" = --all ]; then
        selection=()
        shift
    fi
    cd "$here"
    "$venv/bin/ruff" check .
    "$venv/bin/lint-imports" --no-cache --no-logo
    "$venv/bin/mypy" & # beside the first tests
    local types=$!
    # a process for each core: tests wait for disks and other processes as much as they compute; in the order of their names,
    # whole runs come before what takes a moment, and no core is left waiting for a long file at the end
    OMP_NUM_THREADS=1 "$venv/bin/python" -m pytest -n "$(nproc)" --dist loadfile --no-loadscope-reorder "${selection[@]}" "$@"
    wait "$types"
}

# further options go to `fairseq-budget study run`, which see
run_study() {
    [ $# -ge 1 ] || fail "--study needs a name; see ./run.sh --help"
    local name=$1 scale=(--scale mini)
    shift
    [[ " $* " == *" --scale "* ]] && scale=()
    install
    PATH=$venv/bin:$PATH fairseq-budget study run "$name" "${scale[@]}" "$@"
}

run_stages() {
    local stage=0 stop=5 name=demo
    objectives='' sizes='' rounds=1 teacher=slim budget='' source=synthetic device= seed=1 seed_options=()
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) usage; exit 0 ;;
            --stage | --stop-stage | --objectives | --sizes | --rounds | --teacher | --budget | --data | --out | --device | --seed)
                [ $# -ge 2 ] || fail "$1 needs a value; see ./run.sh --help" ;;&
            --stage) stage=$2 ;;
            --stop-stage) stop=$2 ;;
            --objectives) objectives=$2 ;;
            --sizes) sizes=$2 ;;
            --rounds) rounds=$2 ;;
            --teacher) teacher=$2 ;;
            --budget) budget=$2 ;;
            --data) source=$2 ;;
            --out) name=$2 ;;
            --device) device=$2 ;;
            --seed) seed=$2 seed_options=("common.seed=$2") ;;
            *) fail "unknown option $1; see ./run.sh --help" ;;
        esac
        shift 2
    done
    [[ $stage$stop =~ ^[0-5][0-5]$ ]] || fail "--stage and --stop-stage are numbers from 0 to 5; see ./run.sh --help"
    [[ $rounds =~ ^[12]$ ]] || fail "--rounds is 1 or 2; see ./run.sh --help"
    [[ $seed =~ ^[1-9][0-9]{0,5}$ ]] || fail "--seed is a number from 1 to 999999; see ./run.sh --help"
    if [ -z "$budget" ]; then
        budget=mini
        if [ "$rounds" = 2 ] || [ -n "$sizes" ]; then budget=demo; fi
    fi
    if [ "$stage" -eq 0 ]; then install; fi
    [ -x "$venv/bin/python" ] || fail "nothing is installed in $venv: begin with --stage 0"
    export PATH=$venv/bin:$PATH
    mkdir -p "$name"
    keep_seed "$name"
    out=$(cd "$name" && pwd) data=$out/data round1=$out/round1/hubert-$teacher
    if [ "$source" != synthetic ]; then
        [ -d "$source" ] || fail "--data $source is not a folder"
        source=$(cd "$source" && pwd)
        [ -f "$source/train.tsv" ] && data=$source
    fi
    settings
    local stages=(install corpus labels pretrain downstream report) number
    for ((number = stage > 1 ? stage : 1; number <= stop; number++)); do
        say "stage $number: ${stages[number]}"
        ${stages[number]}
    done
}

# a folder has the speech and the runs of one seed
keep_seed() { # folder
    local begun=$seed
    if [ -f "$1/.seed" ]; then
        begun=$(cat "$1/.seed")
    elif [ -d "$1/pretrain" ]; then # of a version without --seed
        begun=1
    fi
    [ "$begun" = "$seed" ] || fail "$1 was begun with --seed $begun: give that one, or another --out"
    echo "$seed" >"$1/.seed"
}

settings() {
    local objective
    : "${objectives:=$(fairseq-budget objectives --names | tr '\n' ' ')}"
    seeds_size=${sizes%% *} larger_seeds_size=${sizes%% *} heard_size=${sizes%% *} small_sizes=$sizes
    if [ "$budget" = mini ]; then
        : "${sizes:=0.05 0.15 0.5 1 2}" "${small_sizes:=0.02 0.05 0.15 0.5 1}"
        : "${seeds_size:=0.05}" "${larger_seeds_size:=0.15}" "${heard_size:=1}"
    fi
    : "${sizes:=30 50 slim}" "${small_sizes:=$sizes}"
    labelled=$(fairseq-budget objectives --labels --names)
    for objective in $objectives; do # an unknown name is refused before anything is made
        fairseq-budget plan --objective "$objective" --sizes "${sizes// /,},$teacher" --json >/dev/null
    done
    if [ -z "$device" ]; then
        device=$(python -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')
    fi
    case $budget in
        mini) [ "$rounds" = 1 ] || fail "--rounds 2 goes with --budget demo, paper, or a number" ;;
        demo | paper) budget_options=("budget=$budget") round1_options=("budget=${budget}_round1") ;;
        *)
            # a number: the paper's batches on a GPU, the demo's small ones on a CPU
            local recipe=custom
            if [ "$device" = cpu ]; then recipe=demo; fi
            budget_options=("budget=$recipe" "task.budget.flops=$budget")
            round1_options=("budget=$recipe" "task.budget.flops=$(python -c "print(250 / 400 * float('$budget'))")")
            ;;
    esac
    label_options=() side_by_side=()
    # of the synthetic half hour, a tenth would be little for 500 clusters
    if [ "$source" = synthetic ]; then label_options=(--percent 25); fi
    downstream_options=()
    if [ "$device" = cpu ]; then
        # glibc gives large blocks back at once and takes them again in the next step; keeping them saves a fifth of the time
        export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=68719476736
        if [ "$budget" = mini ]; then # so small a model uses one core well, and two badly
            side_by_side=(hydra/launcher=joblib "hydra.launcher.n_jobs=$(nproc)") # nproc heeds the next line
            export OMP_NUM_THREADS=1
        fi
        # enough steps for a head to learn something, few enough for two CPU cores; the official recipe has 200000
        downstream_options=(-o "config.runner.total_steps=30,,config.runner.eval_step=30,,config.runner.save_step=30,,config.runner.log_step=10,,config.optimizer.lr=1e-3,,config.downstream_expert.datarc.batch_size=16,,config.downstream_expert.datarc.num_workers=1")
    fi
}

if [ "${1:-}" = test ]; then
    shift
    run_tests "$@"
elif [ "${1:-}" = wheels ]; then
    shift
    fill_with_wheels "$@"
elif [ "${1:-}" = --study ]; then
    shift
    run_study "$@"
else
    run_stages "$@"
fi
