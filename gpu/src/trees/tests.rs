//! Whole fits of trees: against closed forms, in any row order, on any number of threads, with any instruction set.

use super::cpu::fit_with;
use super::{CheckedTreesOptions, Growth, Mode, Objective, TreesFit, TreesOptions, TreesScratch};
use crate::bytes::{Reader, Writer};
use crate::control::Control;
use crate::error::GpuError;
use crate::instructions::Instructions;
use crate::matrix::{Column, Dataset, FitRows, MISSING_LEVEL, Matrix, Task};
use crate::metric::{accuracy, log_loss, rmse, roc_auc};
use crate::model::Prediction;
use crate::random::{Stream, draw, unit};

/// Rows with three numbers (the third with missing values), a category of 3 levels and one of 40, all of which matter.
fn columns(rows: u64, seed: u64) -> (Vec<Column>, Vec<f64>, Vec<u64>) {
    let number = |stream: u32| -> Vec<f32> {
        (0..rows)
            .map(|row| unit(seed, Stream::Rows, stream, row) as f32)
            .collect()
    };
    let level = |stream: u32, levels: f64| -> Vec<u32> {
        (0..rows)
            .map(|row| (unit(seed, Stream::Rows, stream, row) * levels) as u32)
            .collect()
    };
    let (a, b, mut c) = (number(0), number(1), number(2));
    let (few, mut many) = (level(3, 3.0), level(4, 40.0));
    let noise = number(5);
    let signal = (0..rows as usize)
        .map(|row| {
            let wave = f64::from(a[row] * 6.0).sin() + f64::from(b[row] * a[row]) * 2.0;
            let third = if row % 5 == 0 { 1.5 } else { f64::from(c[row]) };
            wave + third
                + f64::from(few[row] % 2)
                + f64::from(many[row] % 7) * 0.3
                + f64::from(noise[row]) * 0.2
        })
        .collect();
    for row in 0..rows as usize {
        if row % 5 == 0 {
            c[row] = f32::NAN;
        }
        if row % 11 == 0 {
            many[row] = MISSING_LEVEL;
        }
    }
    let columns = vec![
        Column::Numeric(a),
        Column::Numeric(b),
        Column::Numeric(c),
        Column::Categorical {
            codes: few,
            levels: 3,
        },
        Column::Categorical {
            codes: many,
            levels: 40,
        },
    ];
    let keys = (0..rows)
        .map(|row| draw(seed, Stream::Rows, 9, row))
        .collect();
    (columns, signal, keys)
}

fn regression(rows: u64, seed: u64) -> Dataset {
    let (columns, labels, keys) = columns(rows, seed);
    Dataset::new(
        Matrix::new(columns, rows as usize).unwrap(),
        labels,
        None,
        keys,
        Task::Regression,
    )
    .unwrap()
}

fn classes(rows: u64, seed: u64, classes: u32) -> Dataset {
    let (columns, signal, keys) = columns(rows, seed);
    let labels = signal
        .iter()
        .map(|s| (s * 0.6).floor().clamp(0.0, f64::from(classes - 1)))
        .collect();
    let task = Task::Classification { classes };
    Dataset::new(
        Matrix::new(columns, rows as usize).unwrap(),
        labels,
        None,
        keys,
        task,
    )
    .unwrap()
}

fn split(rows: u64) -> (Vec<u32>, Vec<u32>) {
    (0..rows as u32).partition(|row| row % 4 != 0)
}

fn run(data: &Dataset, train: &[u32], valid: &[u32], options: &CheckedTreesOptions) -> TreesFit {
    run_with(Instructions::detect(), data, train, valid, options, false)
}

fn run_with(
    set: Instructions,
    data: &Dataset,
    train: &[u32],
    valid: &[u32],
    options: &CheckedTreesOptions,
    parallel: bool,
) -> TreesFit {
    let rows = FitRows { train, valid };
    fit_with(
        set,
        data,
        rows,
        options,
        7,
        &Control::default(),
        &mut TreesScratch::default(),
        parallel,
    )
    .unwrap()
}

fn bytes(fit: &TreesFit) -> Vec<u8> {
    let mut writer = Writer::new();
    fit.model.write(&mut writer);
    writer.finish()
}

fn numbers(fit: &TreesFit, data: &Dataset, rows: &[u32]) -> Vec<f64> {
    fit.model
        .predict_rows(data.features(), rows)
        .unwrap()
        .numbers()
        .to_vec()
}

fn labels(data: &Dataset, rows: &[u32]) -> Vec<f64> {
    rows.iter()
        .map(|&row| data.labels()[row as usize])
        .collect()
}

fn small(change: impl FnOnce(&mut TreesOptions)) -> CheckedTreesOptions {
    let mut options = TreesOptions {
        rounds: 30,
        ..TreesOptions::default()
    };
    change(&mut options);
    options.check().unwrap()
}

/// Options that between them reach every branch of the core.
fn varied() -> Vec<CheckedTreesOptions> {
    vec![
        small(|o| o.one_vs_rest_levels = 8),
        small(|o| o.growth = Growth::Depth),
        small(|o| (o.growth, o.max_leaves, o.max_depth) = (Growth::Depth, 0, 5)),
        small(|o| (o.row_fraction, o.column_fraction, o.node_column_fraction) = (0.6, 0.7, 0.7)),
        small(|o| (o.l1, o.l2, o.min_gain, o.category_l2) = (0.5, 2.0, 0.01, 10.0)),
        small(|o| o.monotone = vec![0, 1, -1]),
        small(|o| (o.max_bins, o.one_vs_rest_levels) = (17, 8)),
        small(|o| o.early_stopping = 3),
        TreesOptions {
            rounds: 10,
            ..TreesOptions::forest_defaults()
        }
        .check()
        .unwrap(),
        TreesOptions {
            rounds: 10,
            ..TreesOptions::extra_trees_defaults()
        }
        .check()
        .unwrap(),
    ]
}

#[test]
fn one_stump_is_the_best_cut_in_closed_form() {
    let x = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let y = vec![1.0, 1.0, 1.0, 5.0, 5.0, 8.0];
    let keys = (0..6).collect();
    let data = Dataset::new(
        Matrix::new(vec![Column::Numeric(x)], 6).unwrap(),
        y,
        None,
        keys,
        Task::Regression,
    )
    .unwrap();
    let options = TreesOptions {
        rounds: 1,
        learning_rate: 1.0,
        max_leaves: 2,
        min_rows: 1,
        l2: 0.0,
        min_bin_rows: 1,
        ..TreesOptions::default()
    };
    let fit = run(&data, &[0, 1, 2, 3, 4, 5], &[], &options.check().unwrap());
    let found = numbers(&fit, &data, &[0, 1, 2, 3, 4, 5]);
    for (found, expected) in found.iter().zip([1.0, 1.0, 1.0, 6.0, 6.0, 6.0]) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    // Σ(y-mean)² falls from 41.5 to 6, which is the gain G²/H summed over the children.
    assert!(
        (fit.model.importance()[0] - 37.5).abs() < 1e-6,
        "{:?}",
        fit.model.importance()
    );
    assert!((fit.train_loss[0] - 1.0).abs() < 1e-6);
}

#[test]
fn l2_and_l1_shrink_a_leaf_as_the_formula_says() {
    let x = vec![0.0, 0.0, 1.0, 1.0];
    let y = vec![-1.0, -1.0, 1.0, 1.0];
    let matrix = Matrix::new(vec![Column::Numeric(x)], 4).unwrap();
    let data = Dataset::new(matrix, y, None, (0..4).collect(), Task::Regression).unwrap();
    let options = TreesOptions {
        rounds: 1,
        learning_rate: 1.0,
        min_rows: 1,
        l2: 2.0,
        l1: 0.5,
        min_bin_rows: 1,
        ..TreesOptions::default()
    };
    let fit = run(&data, &[0, 1, 2, 3], &[], &options.check().unwrap());
    // Each leaf: G = ∓2, H = 2, so the value is (2 - 0.5) / (2 + 2).
    for (found, expected) in numbers(&fit, &data, &[0, 3]).iter().zip([-0.375, 0.375]) {
        assert!((found - expected).abs() < 1e-7, "{found}");
    }
}

#[test]
fn learns_numbers_missing_values_and_categories() {
    let data = regression(4_000, 1);
    let (train, valid) = split(4_000);
    let fit = run(&data, &train, &valid, &small(|o| o.rounds = 200));
    let truth = labels(&data, &valid);
    let spread = rmse(
        &truth,
        &vec![truth.iter().sum::<f64>() / truth.len() as f64; truth.len()],
        None,
    );
    let error = rmse(&truth, &numbers(&fit, &data, &valid), None);
    assert!(error < 0.25 * spread, "{error} of {spread}");
    assert!(
        fit.model.importance().iter().all(|&gain| gain > 0.0),
        "{:?}",
        fit.model.importance()
    );
    assert!((fit.valid_loss[199] - error).abs() < 1e-9);
}

#[test]
fn tells_classes_apart() {
    let data = classes(3_000, 2, 2);
    let (train, valid) = split(3_000);
    let truth = labels(&data, &valid);
    for options in varied() {
        let p = numbers(&run(&data, &train, &valid, &options), &data, &valid);
        let ones: Vec<f64> = p.chunks(2).map(|pair| pair[1]).collect();
        assert!(
            p.chunks(2)
                .all(|pair| (pair[0] + pair[1] - 1.0).abs() < 1e-12)
        );
        let auc = roc_auc(&truth, &ones, None);
        assert!(auc > 0.9, "{options:?}: {auc}");
    }
    let data = classes(3_000, 3, 4);
    let truth = labels(&data, &valid);
    for options in varied() {
        let fit = run(&data, &train, &valid, &options);
        let p = numbers(&fit, &data, &valid);
        assert!(
            p.chunks(4)
                .all(|line| (line.iter().sum::<f64>() - 1.0).abs() < 1e-12)
        );
        let share = accuracy(&truth, &p, 4, None);
        assert!(share > 0.66, "{options:?}: {share}");
        if options.mode == Mode::Boost {
            let curve = fit.valid_loss[fit.rounds as usize - 1];
            assert!((curve - log_loss(&truth, &p, 4, None)).abs() < 1e-9);
        }
    }
}

#[test]
fn the_same_rows_in_any_order_give_the_same_bytes() {
    let data = regression(1_500, 4);
    let reversed = reversed(&data);
    let (train, valid) = split(1_500);
    let mirror = |rows: &[u32]| -> Vec<u32> { rows.iter().map(|&row| 1_499 - row).collect() };
    for options in varied() {
        let expected = bytes(&run(&data, &train, &valid, &options));
        assert_eq!(
            bytes(&run(&reversed, &mirror(&train), &mirror(&valid), &options)),
            expected,
            "{options:?}"
        );
    }
}

fn reversed(data: &Dataset) -> Dataset {
    let columns = data.features().columns().iter().map(|column| match column {
        Column::Numeric(values) => Column::Numeric(values.iter().rev().copied().collect()),
        Column::Categorical { codes, levels } => Column::Categorical {
            codes: codes.iter().rev().copied().collect(),
            levels: *levels,
        },
    });
    let matrix = Matrix::new(columns.collect(), data.rows()).unwrap();
    let labels = data.labels().iter().rev().copied().collect();
    let keys = data.row_keys().iter().rev().copied().collect();
    Dataset::new(matrix, labels, None, keys, data.task()).unwrap()
}

#[test]
fn every_instruction_set_and_thread_count_gives_the_same_bytes() {
    let data = classes(2_000, 5, 3);
    let (train, valid) = split(2_000);
    for options in varied() {
        let expected = bytes(&run_with(
            Instructions::Baseline,
            &data,
            &train,
            &valid,
            &options,
            false,
        ));
        for set in Instructions::available() {
            assert_eq!(
                bytes(&run_with(set, &data, &train, &valid, &options, false)),
                expected,
                "{set:?}"
            );
        }
    }
    let large = regression(100_000, 6);
    let (train, valid) = split(100_000);
    let options = small(|o| o.rounds = 5);
    let expected = bytes(&run(&large, &train, &valid, &options));
    for threads in [2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let set = Instructions::detect();
        let found = pool.install(|| bytes(&run_with(set, &large, &train, &valid, &options, true)));
        assert_eq!(found, expected, "{threads} threads");
    }
}

#[test]
fn models_come_back_from_bytes_and_predict_the_same() {
    let data = classes(1_000, 8, 3);
    let (train, valid) = split(1_000);
    for options in varied() {
        let fit = run(&data, &train, &valid, &options);
        let written = bytes(&fit);
        let mut reader = Reader::new(&written);
        let back = super::TreesModel::read(&mut reader).unwrap();
        reader.end().unwrap();
        assert_eq!(back, fit.model);
        assert_eq!(
            back.predict(data.features()).unwrap(),
            fit.model.predict(data.features()).unwrap()
        );
    }
}

#[test]
fn many_rows_score_like_few() {
    let (train, valid) = split(1_000);
    for data in [
        regression(1_000, 18),
        classes(1_000, 18, 2),
        classes(1_000, 18, 4),
    ] {
        let deep = small(|o| (o.max_leaves, o.min_rows, o.rounds) = (250, 1, 5));
        let bushy = small(|o| (o.max_leaves, o.min_rows, o.rounds) = (600, 1, 3));
        for options in varied().into_iter().chain([deep, bushy]) {
            let fit = run(&data, &train, &valid, &options);
            // Rows in the order of the table and in another one, in tiles that are full and not.
            let turned: Vec<u32> = (0..1_000).rev().collect();
            let whole = fit.model.predict(data.features()).unwrap();
            let width = whole.numbers().len() / 1_000;
            let mut mirrored = numbers(&fit, &data, &turned);
            let lines = mirrored.chunks_exact_mut(width);
            lines.for_each(|line| line.reverse());
            mirrored.reverse();
            assert_eq!(mirrored, whole.numbers(), "{options:?}");
            for few in [1, 7, 15] {
                let rows: Vec<u32> = (0..few).map(|row| row * 61).collect();
                let expected: Vec<f64> = rows
                    .iter()
                    .flat_map(|&row| &whole.numbers()[row as usize * width..][..width])
                    .copied()
                    .collect();
                assert_eq!(numbers(&fit, &data, &rows), expected, "{options:?}");
            }
        }
    }
}

#[test]
fn monotone_constraints_hold_everywhere() {
    let data = regression(2_000, 9);
    let (train, _) = split(2_000);
    let options = small(|o| (o.monotone, o.rounds, o.max_leaves) = (vec![1, -1], 60, 63));
    let fit = run(&data, &train, &[], &options);
    for row in (0..2_000usize).step_by(97) {
        let sweep = |column: usize| -> Vec<f64> {
            let mut columns: Vec<Column> = data
                .features()
                .columns()
                .iter()
                .map(|column| match column {
                    Column::Numeric(values) => Column::Numeric(vec![values[row]; 101]),
                    Column::Categorical { codes, levels } => Column::Categorical {
                        codes: vec![codes[row]; 101],
                        levels: *levels,
                    },
                })
                .collect();
            columns[column] = Column::Numeric((0..101).map(|step| step as f32 / 100.0).collect());
            fit.model
                .predict(&Matrix::new(columns, 101).unwrap())
                .unwrap()
                .numbers()
                .to_vec()
        };
        assert!(sweep(0).is_sorted(), "rises with column 0");
        assert!(sweep(1).iter().rev().is_sorted(), "falls with column 1");
    }
}

#[test]
fn quantile_and_absolute_objectives_hit_their_share() {
    let data = regression(4_000, 10);
    let (train, valid) = split(4_000);
    for (objective, alpha) in [
        (Objective::Quantile { alpha: 0.9 }, 0.9),
        (Objective::Quantile { alpha: 0.2 }, 0.2),
        (Objective::Absolute, 0.5),
    ] {
        let fit = run(
            &data,
            &train,
            &valid,
            &small(|o| (o.objective, o.rounds) = (objective, 100)),
        );
        let below = numbers(&fit, &data, &valid)
            .iter()
            .zip(labels(&data, &valid))
            .filter(|(p, y)| y <= p)
            .count();
        let share = below as f64 / valid.len() as f64;
        assert!((share - alpha).abs() < 0.08, "{objective:?}: {share}");
    }
}

#[test]
fn log_link_objectives_predict_positive_means() {
    let (columns, signal, keys) = columns(3_000, 11);
    let counts: Vec<f64> = signal.iter().map(|s| s.max(0.0).exp().floor()).collect();
    let data = Dataset::new(
        Matrix::new(columns, 3_000).unwrap(),
        counts,
        None,
        keys,
        Task::Regression,
    )
    .unwrap();
    let (train, valid) = split(3_000);
    let truth = labels(&data, &valid);
    for objective in [
        Objective::Poisson,
        Objective::Tweedie { power: 1.3 },
        Objective::Huber { delta: 200.0 },
    ] {
        let fit = run(
            &data,
            &train,
            &valid,
            &small(|o| (o.objective, o.rounds) = (objective, 100)),
        );
        let found = numbers(&fit, &data, &valid);
        let spread = rmse(
            &truth,
            &vec![truth.iter().sum::<f64>() / truth.len() as f64; truth.len()],
            None,
        );
        assert!(rmse(&truth, &found, None) < 0.5 * spread, "{objective:?}");
        let ratio = found.iter().sum::<f64>() / truth.iter().sum::<f64>();
        assert!((0.9..1.1).contains(&ratio), "{objective:?}: {ratio}");
    }
    let (more, negative, keys) = super::tests::columns(10, 1);
    let labels = negative.iter().map(|_| -1.0).collect();
    let bad = Dataset::new(
        Matrix::new(more, 10).unwrap(),
        labels,
        None,
        keys,
        Task::Regression,
    )
    .unwrap();
    let options = small(|o| o.objective = Objective::Poisson);
    let rows = FitRows {
        train: &[0, 1],
        valid: &[],
    };
    let result = super::fit(
        &bad,
        rows,
        &options,
        0,
        &Control::default(),
        &mut TreesScratch::default(),
        false,
    );
    assert!(matches!(result, Err(GpuError::Data(_))));
}

#[test]
fn whole_weights_act_like_repeated_rows() {
    let (columns, labels, keys) = columns(300, 12);
    let weights: Vec<f32> = (0..300).map(|row| (row % 3) as f32).collect();
    let mut repeated = Vec::new();
    (0..300u32)
        .for_each(|row| repeated.extend(std::iter::repeat_n(row, weights[row as usize] as usize)));
    let matrix = Matrix::new(columns, 300).unwrap();
    let plain = Dataset::new(
        matrix.clone(),
        labels.clone(),
        None,
        keys.clone(),
        Task::Regression,
    )
    .unwrap();
    let weighted = Dataset::new(matrix, labels, Some(weights), keys, Task::Regression).unwrap();
    // Numeric columns only decide here: category order statistics see a repeated row several times.
    let options = small(|o| {
        (
            o.min_rows,
            o.min_bin_rows,
            o.rounds,
            o.one_vs_rest_levels,
            o.max_bins,
        ) = (0, 1, 10, 60, 255)
    });
    let all: Vec<u32> = (0..300).collect();
    let a = numbers(&run(&weighted, &all, &[], &options), &weighted, &all);
    let b = numbers(&run(&plain, &repeated, &[], &options), &plain, &all);
    let gap = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(gap < 2e-3, "{gap}");
}

#[test]
fn early_stopping_keeps_the_best_round() {
    let data = regression(800, 13);
    let (train, valid) = split(800);
    let options = small(|o| (o.rounds, o.learning_rate, o.early_stopping) = (400, 0.5, 10));
    let fit = run(&data, &train, &valid, &options);
    let best = fit.valid_loss.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(fit.rounds < 400);
    assert_eq!(fit.valid_loss[fit.rounds as usize - 1], best);
    assert_eq!(fit.valid_loss.len(), fit.rounds as usize + 10);
    assert_eq!(fit.model.tree_count(), fit.rounds as usize);
    assert!(
        (rmse(&labels(&data, &valid), &numbers(&fit, &data, &valid), None) - best).abs() < 1e-9
    );
}

/// Fits the rows with few limits and answers the predictions for them.
fn refit(columns: Vec<Column>, labels: Vec<f64>, task: Task) -> Vec<f64> {
    let rows = labels.len();
    let keys = (0..rows as u64).collect();
    let data = Dataset::new(
        Matrix::new(columns, rows).unwrap(),
        labels,
        None,
        keys,
        task,
    )
    .unwrap();
    let all: Vec<u32> = (0..rows as u32).collect();
    let fit = run(
        &data,
        &all,
        &[],
        &small(|o| (o.min_rows, o.min_bin_rows) = (1, 1)),
    );
    numbers(&fit, &data, &all)
}

fn number(values: &[f32]) -> Column {
    Column::Numeric(values.to_vec())
}

#[test]
fn nothing_to_tell_rows_apart_gives_the_mean() {
    let two = Task::Classification { classes: 2 };
    let labels = || vec![1.0, 2.0, 3.0];
    assert_eq!(
        refit(vec![number(&[1.0])], vec![4.0], Task::Regression),
        vec![4.0]
    );
    assert_eq!(
        refit(vec![number(&[1.0; 3])], labels(), Task::Regression),
        vec![2.0; 3]
    );
    assert_eq!(
        refit(vec![number(&[f32::NAN; 3])], labels(), Task::Regression),
        vec![2.0; 3]
    );
    assert_eq!(
        refit(vec![], vec![1.0, 3.0], Task::Regression),
        vec![2.0; 2]
    );
    assert_eq!(
        refit(vec![number(&[1.0, 2.0])], vec![0.1, 0.1], Task::Regression),
        vec![0.1; 2]
    );
    let certain = refit(vec![number(&[1.0, 2.0])], vec![1.0, 1.0], two);
    assert!(certain[1] > 0.999 && certain[3] > 0.999);
}

#[test]
fn extremes_and_missing_values_get_reasoned_answers() {
    let extremes = [f32::NEG_INFINITY, -f32::MAX, f32::MAX, f32::INFINITY];
    let found = refit(
        vec![number(&extremes)],
        vec![0.0, 1.0, 2.0, 3.0],
        Task::Regression,
    );
    assert!(found.is_sorted() && found[3] - found[0] > 1.0, "{found:?}");
    let huge = refit(
        vec![number(&[0.0, 1.0])],
        vec![-1e36, 1e36],
        Task::Regression,
    );
    assert!(huge[0] < -1e35 && huge[1] > 1e35);
    let labels = || vec![0.0, 0.0, 9.0, 9.0];
    let half = number(&[1.0, 1.0, f32::NAN, f32::NAN]);
    let missing = refit(vec![half], labels(), Task::Regression);
    assert!(missing[0] < 2.0 && missing[2] > 7.0, "{missing:?}");
    let codes = vec![0, 0, MISSING_LEVEL, MISSING_LEVEL];
    let absent = refit(
        vec![Column::Categorical { codes, levels: 1 }],
        labels(),
        Task::Regression,
    );
    assert!(absent[0] < 2.0 && absent[2] > 7.0, "{absent:?}");
}

#[test]
fn many_columns_fit_and_unseen_levels_are_answered() {
    let rows = 60;
    let columns: Vec<Column> = (0..3_000u64)
        .map(|column| {
            Column::Numeric(
                (0..rows)
                    .map(|row| unit(column, Stream::Rows, 0, row) as f32)
                    .collect(),
            )
        })
        .collect();
    let labels = (0..rows)
        .map(|row| unit(17, Stream::Rows, 0, row))
        .collect();
    let matrix = Matrix::new(columns, rows as usize).unwrap();
    let wide = Dataset::new(matrix, labels, None, (0..rows).collect(), Task::Regression).unwrap();
    let all: Vec<u32> = (0..rows as u32).collect();
    let fit = run(&wide, &all, &[], &small(|o| o.rounds = 3));
    assert!(fit.model.importance()[17] > 0.0);

    let data = regression(500, 14);
    let train: Vec<u32> = (0..500).collect();
    let fit = run(&data, &train, &[], &small(|_| {}));
    let unseen = |code: u32| {
        let columns = vec![
            Column::Numeric(vec![0.5]),
            Column::Numeric(vec![0.5]),
            Column::Numeric(vec![f32::NAN]),
            Column::Categorical {
                codes: vec![code],
                levels: 40,
            },
            Column::Categorical {
                codes: vec![code],
                levels: 40,
            },
        ];
        fit.model
            .predict(&Matrix::new(columns, 1).unwrap())
            .unwrap()
            .numbers()[0]
    };
    assert!(unseen(40).is_finite());
    assert_eq!(unseen(40), unseen(MISSING_LEVEL));
}

#[test]
fn a_raised_token_stops_the_fit_and_the_hook_sees_every_round() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    let data = regression(500, 15);
    let train: Vec<u32> = (0..500).collect();
    let seen = Arc::new(AtomicU32::new(0));
    let control = Control::default();
    let (counter, cancel) = (seen.clone(), control.cancel.clone());
    let hook = move |progress: crate::control::Progress| {
        counter.fetch_add(1, Ordering::Relaxed);
        if progress.rounds_done == 7 {
            cancel.cancel();
        }
    };
    let control = Control {
        yield_point: Some(Arc::new(hook)),
        ..control
    };
    let rows = FitRows {
        train: &train,
        valid: &[],
    };
    let result = super::fit(
        &data,
        rows,
        &small(|o| o.one_vs_rest_levels = 8),
        0,
        &control,
        &mut TreesScratch::default(),
        false,
    );
    assert_eq!(result, Err(GpuError::Cancelled));
    assert_eq!(seen.load(Ordering::Relaxed), 9);
    let empty = FitRows {
        train: &[],
        valid: &train,
    };
    let result = super::fit(
        &data,
        empty,
        &small(|o| o.one_vs_rest_levels = 8),
        0,
        &Control::default(),
        &mut TreesScratch::default(),
        false,
    );
    assert!(matches!(
        result,
        Err(GpuError::Data(crate::error::DataError::NoRows))
    ));
}

#[test]
fn a_prediction_names_the_column_that_is_wrong() {
    let data = regression(300, 16);
    let train: Vec<u32> = (0..300).collect();
    let fit = run(&data, &train, &[], &small(|_| {}));
    let short = Matrix::new(vec![Column::Numeric(vec![0.0])], 1).unwrap();
    let error = fit.model.predict(&short).unwrap_err();
    assert!(
        matches!(
            error,
            crate::error::DataError::ColumnMismatch { column: 1, .. }
        ),
        "{error:?}"
    );
    assert!(
        matches!(fit.model.predict(data.features()), Ok(Prediction::Values(values)) if values.len() == 300)
    );
}
