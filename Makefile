# Every target sets up what it needs first; needs Python >= 3.10 and nothing else.
# make page, make test-page: the demo page has an environment of its own, since Gradio holds Pillow below 13.
PYTHON ?= python3
BIN = .venv/bin
OUT = out/demo
PAGE = .venv-page
PURELIB = import sysconfig; print(sysconfig.get_path("purelib"))

.PHONY: demo test lint figures docs dist page test-page test-ray test-ros2 mutants clean

.venv/done: setup.cfg constraints.txt
	@echo "This makes .venv for the demo, the tests and the training. It takes some minutes and 2 GB."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[test,train,export,quantise,bags,record3d]'
	touch $@

$(PAGE)/done: setup.cfg constraints-page.txt
	$(PYTHON) -m venv $(PAGE)
	$(PAGE)/bin/python -m pip install -qq --disable-pip-version-check -c constraints-page.txt -e '.[demo,test-page]'
	touch $@

demo: .venv/done
	mkdir -p $(OUT)
	$(BIN)/bridgenet-upsample examples/desk/rgb.png examples/desk/depth_lr.png -o $(OUT)/desk.png \
		--scale 8 --preview --overwrite
	$(BIN)/python -m examples.compare examples/desk $(OUT)/desk.png

test: .venv/done
	$(BIN)/python -m pytest

# Ray in an environment of its own, above the packages of the other
.venv/ray/done: .venv/done
	$(BIN)/python -m venv .venv/ray
	$(BIN)/python -c '$(PURELIB)' > "$$(.venv/ray/bin/python -c '$(PURELIB)')/below.pth"
	.venv/ray/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[ray]'
	touch $@

test-ray: .venv/ray/done
	.venv/ray/bin/python -m pytest tests/cli/test_ray.py

# ROS 2 likewise
.venv/ros2/done: .venv/done
	$(BIN)/python -m venv .venv/ros2
	$(BIN)/python -c '$(PURELIB)' > "$$(.venv/ros2/bin/python -c '$(PURELIB)')/below.pth"
	.venv/ros2/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[ros2]'
	.venv/ros2/bin/python -c 'import rclpy'
	touch $@

test-ros2: .venv/ros2/done
	OMP_NUM_THREADS=1 .venv/ros2/bin/python -m pytest -rs tests/ros/test_ros2_*.py tests/robustness/test_ros2.py

# mutmut likewise
.venv/mutants/done: .venv/done
	$(BIN)/python -m venv .venv/mutants
	$(BIN)/python -c '$(PURELIB)' > "$$(.venv/mutants/bin/python -c '$(PURELIB)')/below.pth"
	.venv/mutants/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt mutmut
	touch $@

mutants: .venv/mutants/done
	.venv/mutants/bin/python -m pytest tests/robustness/test_mutation.py
	OMP_NUM_THREADS=1 .venv/mutants/bin/python -m robustness mutation --sample 40

lint: .venv/done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# what was made with other weights than today's, then all tables of the documents; needs BRIDGENET_DATA
figures: .venv/done
	$(BIN)/python -m benchmarks.tables

# the docs extra alone, on Python >= 3.11: the reference is read from sources that are not imported, so torch stays out
.venv-docs/done: setup.cfg constraints.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install -qq --disable-pip-version-check -c constraints.txt furo myst-parser sphinx sphinx-autoapi sphinx-copybutton
	touch $@

docs: .venv-docs/done
	.venv-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going -d out/doctrees docs out/site
	@echo "out/site/index.html"

.venv-dist/done: setup.cfg constraints.txt
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/pip install -qq --disable-pip-version-check -c constraints.txt build check-wheel-contents twine
	touch $@

dist: .venv-dist/done
	rm -rf out/dist
	.venv-dist/bin/python -m build --outdir out/dist .
	.venv-dist/bin/twine check --strict out/dist/*
	.venv-dist/bin/check-wheel-contents out/dist/*.whl

page: $(PAGE)/done
	$(PAGE)/bin/python -m bridgenet_infer.demo

test-page: $(PAGE)/done
	$(PAGE)/bin/python -m pytest -rs tests/demo

clean:
	rm -rf .venv .venv-docs .venv-dist $(PAGE) out build *.egg-info
