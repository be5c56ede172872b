# make demo, make test: both set up .venv first; needs Python >= 3.10 and nothing else.
PYTHON ?= python3
BIN = .venv/bin
OUT = out/demo
PURELIB = import sysconfig; print(sysconfig.get_path("purelib"))

.PHONY: demo test test-ray lint clean

.venv/done: setup.cfg constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,train,export,quantise,bags]'
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
	.venv/ray/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray]'
	touch $@

test-ray: .venv/ray/done
	.venv/ray/bin/python -m pytest tests/test_ray.py

lint: .venv/done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv out build *.egg-info
