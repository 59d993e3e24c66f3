"""Check the types that the page's modules state in JSDoc, with TypeScript's compiler: `python -m tools.check_page`.

TypeScript, and the types of the libraries, come from environments beside .venv, pinned by lock files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.dist import NPM_TOOLS
from tools.environments import pinned_npm_environment
from tools.node import NODE

ROOT = Path(__file__).resolve().parents[1]
PAGE, CLIENT = ROOT / "page", ROOT / "clients" / "js" / "src" / "index.d.ts"


def check() -> subprocess.CompletedProcess[str]:
    """Run the compiler over page/tsconfig.json, which cannot know where the libraries lie."""
    compiler = pinned_npm_environment("npm-tools", NPM_TOOLS) / ".bin" / "tsc"
    libraries = pinned_npm_environment("page", PAGE)
    packages = json.loads((PAGE / "package.json").read_text())["dependencies"]
    paths = {name: [str(libraries / name)] for name in packages}
    paths |= {f"{name}/*": [str(libraries / name / "*")] for name in packages}
    paths["wavesurfer.js/plugins/*"] = [str(libraries / "wavesurfer.js" / "dist" / "plugins" / "*.d.ts")]
    settings = {
        "extends": str(PAGE / "tsconfig.json"),
        "compilerOptions": {"paths": paths | {"musicgen-api": [str(CLIENT)]}},
        "include": [str(PAGE / "**" / "*.js")],
        "exclude": [str(PAGE / "vendor"), str(PAGE / "vendor.new")],
    }
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "tsconfig.json")
        project.write_text(json.dumps(settings))
        command = [str(NODE), str(compiler), "--project", str(project), "--pretty", "false"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


if __name__ == "__main__":
    done = check()
    print(done.stdout + done.stderr, end="")
    sys.exit(done.returncode)
