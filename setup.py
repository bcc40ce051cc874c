"""Installation of fairseq-budget; the versions that were tested together stand in constraints.txt."""

import re
from pathlib import Path

from setuptools import Command, find_packages, setup
from setuptools.command.build import build

HERE = Path(__file__).parent
STARTUP = [f"s3prl_upstreams/startup/{name}" for name in ("fairseq_budget_s3prl.pth", "_fairseq_budget_s3prl.py")]
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "fairseq_budget" / "__init__.py").read_text(), re.MULTILINE).group(1)
RECIPES = [str(path.relative_to(HERE / "recipes")) for path in sorted((HERE / "recipes").rglob("*.yaml"))]

# who plans, makes corpora and labels, or computes features needs no more than this
CORE = [
    "espeakng-loader",
    "filelock",
    "joblib",
    "numpy",
    "packaging",
    "pydantic",
    "requests",
    "rich",
    "scikit-learn",
    "scipy",
    "soundfile",
    "soxr",
    "torch>=2.6",
    "typer",
]
HYDRA = ["hydra-core==1.3.2", "hydra-joblib-launcher", "hydra-submitit-launcher"]
EXTRAS = {
    # the module `fairseq` on Python >= 3.11; see docs/install.md
    "train": ["fairseq-fixed==0.12.3.1", "deepspeed", "sentencepiece", "tensorboardX", *HYDRA],
    "superb": [
        "s3prl==0.4.18",
        "torchaudio",
        # has no wheel for 3.13, where `host.compat` puts rapidfuzz in its place
        'editdistance; python_version < "3.13"',
        'rapidfuzz; python_version >= "3.13"',
        "sentencepiece",
        "tensorboardX",
        "huggingface-hub<1",
        "platformdirs",
        "hydra-core==1.3.2",
        "pyyaml",
        # diarisation error rates, which s3prl leaves to a repository of scripts
        "pyannote.metrics",
        # imported by s3prl's downstream tasks and problem classes, which don't ask for them; its own pin of dtw-python is
        # older than numpy 2.  They import catalyst, too, which pip >= 24.1 can't read and nothing here uses: `host.compat`
        # has a stand-in
        "dtw-python>=1.5",
        "h5py",
        "librosa",
        "lxml",
        "more-itertools",
        "pandas",
    ],
    # word models: no wheel for 3.13, where letters alone are read off
    "asr": ["jiwer", "rapidfuzz", "sentencepiece", 'flashlight-text; python_version < "3.13"'],
    # errors by utterance, for intervals
    "report": ["jinja2", "matplotlib", "pandas", "rapidfuzz", "tabulate"],
    "export": ["transformers<5"],
    # alignments of LibriSpeech as others publish them
    "textgrid": ["praatio"],
}
EXTRAS["bench"] = [*EXTRAS["train"], *EXTRAS["report"], *EXTRAS["export"], "torchaudio"]
DOCS = ["mkdocs-material", "mkdocstrings[python]"]
ALL = sorted({package for packages in EXTRAS.values() for package in packages})
# in nobody's way: it has no release for Python 3.11, and its compiled part wants glibc 2.34; polars has the tables it reads
EXTRAS["abx"] = ['fastabx>=0.9; python_version >= "3.12"', 'polars; python_version >= "3.12"']


class Build(build):
    sub_commands = [*build.sub_commands, ("startup_files", None)]


class StartupFiles(Command):
    """Puts among the packages what Python runs when it starts: the hook that prepares s3prl once somebody imports it."""

    user_options = []
    editable_mode = False  # set by setuptools for `pip install -e`

    def initialize_options(self):
        pass

    def finalize_options(self):
        pass

    def run(self):
        # an editable installation leaves the packages in the checkout and copies what is already in the folder to install
        command, attribute = ("install", "install_lib") if self.editable_mode else ("build", "build_lib")
        folder = getattr(self.get_finalized_command(command), attribute)
        self.mkpath(folder)
        for path in STARTUP:
            self.copy_file(path, folder)

    def get_source_files(self):
        return STARTUP


setup(
    name="fairseq-budget",
    version=VERSION,
    license="MIT",
    description="Pre-training of self-supervised speech models on a compute budget, with fairseq and s3prl",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.14",
    # Hydra finds its plugins in the namespace package `hydra_plugins`; the recipes lie beside the code in a checkout and
    # inside the package when installed
    packages=[
        *find_packages(include=["fairseq_budget", "fairseq_budget.*", "s3prl_upstreams", "s3prl_upstreams.*"]),
        "fairseq_budget.recipes",
        "hydra_plugins",
    ],
    package_dir={"hydra_plugins": "fairseq_budget/hydra_plugins", "fairseq_budget.recipes": "recipes"},
    package_data={
        "fairseq_budget": ["py.typed", "published/*", "report/templates/*"],
        "s3prl_upstreams": ["py.typed"],
        "fairseq_budget.recipes": RECIPES,
    },
    cmdclass={"build": Build, "startup_files": StartupFiles},
    install_requires=CORE,
    extras_require={
        **EXTRAS,
        "all": ALL,
        "test": [*ALL, *DOCS, "hypothesis", "import-linter", "mypy", "psutil", "pytest", "pytest-xdist", "ruff"],
        "docs": DOCS,
    },
    entry_points={"console_scripts": ["fairseq-budget = fairseq_budget.cli:main"]},
)
