# make demo, make test: both set up .venv first; needs Python >= 3.10 and nothing else.
PYTHON ?= python3
BIN = .venv/bin
OUT = out/demo

.PHONY: demo test lint clean

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

lint: .venv/done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv out build *.egg-info
