"""Does a generative model collapse when it is trained on its own output?

This page is the map of the package.  A module imports only from rows below its own, and the folders
of one row do not import one another (`make lint` checks both).

    __main__  commands
                  the command line: its options, and what each command does
    own           a reader's own model through the whole experiment, in one call
    pages/        what a notebook shows: figures, tables, pictures of each section, the report
    sweeps/       many chains: plan, run here or on Ray, status, collect, estimate, notebooks
    evidence/     results read back, statistics, claims and their tests, comparison of runs
    sections      the experiments by name
    chain         the loop: fit, measure, sample, choose the next training set
    linear/  language/  images/  molecules/
                  the four experiments, each with the same roles: config (fields and presets),
                  sources (where data come from, and every check of a file), data (split, cache,
                  arrays), model, measures (what collapse looks like) and section (the chain's four
                  methods)
    theory/       exact answers about small models: closed forms, simulations, and which errors of
                  an own model accumulate
    training/     how a network is fitted: the optimisation loop, threads, memory
    durable/      a run that nothing loses: files, leases, signals, checkpoints, store, progress,
                  metrics, provenance
    regimes  picks
                  which data iteration t trains on, and which items of them
    seeds  presets  data  sources  splits  loading  paths  templates/
                  seeds by name, checked configurations, kinds of data, what a source says of
                  itself, which items are held out, a model's class from its file, where files
                  are, own models to copy
    errors        a bad value, with its field and what is allowed

Read `chain` and `regimes` first: they are the experiment.  The tools that build the book are in
`book/_tools`, outside the package.
"""

__version__ = "0.1.0"
