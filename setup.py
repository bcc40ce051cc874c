"""Installation of fairseq-budget; the versions that were tested together stand in constraints.txt."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
RECIPES = [str(path.relative_to(HERE / "recipes")) for path in sorted((HERE / "recipes").rglob("*.yaml"))]

setup(
    name="fairseq-budget",
    version="0.3.1",
    description="Pre-training of self-supervised speech models on a compute budget, with fairseq and s3prl",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.12",
    # Hydra finds its plugins in the namespace package `hydra_plugins`; the recipes lie beside the code in a checkout and
    # inside the package when installed
    packages=[
        *find_packages(include=["fairseq_budget", "fairseq_budget.*", "s3prl_upstreams", "s3prl_upstreams.*"]),
        "fairseq_budget.recipes",
        "hydra_plugins",
    ],
    package_dir={"hydra_plugins": "fairseq_budget/hydra_plugins", "fairseq_budget.recipes": "recipes"},
    package_data={
        "fairseq_budget": ["published/*", "report/templates/*"],
        "fairseq_budget.recipes": RECIPES,
    },
    install_requires=[
        # the module `fairseq` on Python >= 3.11; see README.md
        "fairseq-fixed==0.12.3.1",
        "s3prl==0.4.18",
        "torch>=2.6",
        "torchaudio",
        "deepspeed",
        "editdistance",
        "sentencepiece",
        "espeakng-loader",
        "hydra-core==1.3.2",
        "hydra-joblib-launcher",
        "hydra-submitit-launcher",
        "huggingface-hub<1",
        "transformers<5",
        "jinja2",
        "joblib",
        "matplotlib",
        "numpy",
        "pandas",
        "requests",
        "rich",
        "scikit-learn",
        "scipy",
        "soundfile",
        "soxr",
        "tabulate",
        "tensorboardX",
        "typer",
        # diarisation error rates, which s3prl leaves to a repository of scripts
        "simpleder",
        # imported by s3prl's downstream tasks, which don't ask for them; s3prl's own pin of dtw-python is older than numpy 2
        "catalyst",
        "dtw-python>=1.5",
        "h5py",
        "librosa",
        "lxml",
    ],
    extras_require={"test": ["hypothesis", "pytest", "ruff"]},
    entry_points={"console_scripts": ["fairseq-budget = fairseq_budget.cli:main"]},
)
