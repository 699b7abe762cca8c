"""Does a generative model collapse when it is trained on its own output?

This is the map of the package.  A module imports only from rows below its own, and the folders of
one row do not import one another (`make lint` checks both).

    __main__  commands
                  the command line: its options, and what each command does
    own           the whole experiment with a reader's own model, in one call
    pages/        figures, tables and pictures for the notebooks, and the report
    sweeps/       many chains: plan, run here or on Ray, status, collect, estimate, notebooks
    evidence/     results read back, statistics, claims and their tests, comparison of runs
    sections      the experiments by name
    chain         the loop: fit, measure, sample, choose the next training set
    linear/  language/  images/  molecules/
                  the four experiments, each with the same roles: config (fields and presets),
                  sources (where data come from, and every check of a file), data (split, cache,
                  arrays), model, measures (the metrics of collapse) and section (the chain's four
                  methods)
    theory/       exact answers about small models: closed forms, simulations, and which errors of
                  an own model accumulate
    training/     how a network is fitted: the optimisation loop, threads, memory
    durable/      runs that survive kills and damage: files, leases, signals, checkpoints, store,
                  progress, metrics, provenance
    regimes  selection
                  which data iteration t trains on, and which items: held out, by seed, by share
    seeds  presets  data  sources  loading  templates/
                  seeds by name, checked configurations, kinds of data, descriptions of data
                  sources, an own model loaded from its file, own models to copy
    errors        errors with one-line messages: the field, its value, and what is allowed

Read `chain` and `regimes` first: they are the experiment.  The tools that build the book are in
`book/_tools`, outside the package.
"""

__version__ = "0.1.0"
