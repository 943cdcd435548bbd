//! Coefficients, standard errors and p-values against those of statsmodels 0.15 (OLS, WLS, Logit, GLM with frequency
//! weights) and of the textbook formula for ridge, on twelve rows.

use std::sync::Arc;

use tarn_gpu::control::Control;
use tarn_gpu::design::TermSource;
use tarn_gpu::fit::{Fit, Learner, Scratch, fit_one};
use tarn_gpu::linear::{Coefficient, LinearOptions};
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::matrix::{Column, Dataset, Matrix, Task};
use tarn_gpu::model::Model;

const X2: [f32; 12] = [
    2.5, 1.0, 4.25, 3.5, 8.0, 6.75, 1.5, 9.0, 7.25, 3.0, 5.5, 10.0,
];
const Y: [f64; 12] = [
    3.1, 2.4, 6.2, 6.9, 10.8, 9.5, 7.9, 14.1, 12.2, 11.0, 13.9, 18.3,
];
const CLASS: [f64; 12] = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
const WEIGHTS: [f32; 12] = [1.0, 2.0, 1.0, 0.5, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0, 0.25, 1.0];

fn model(labels: &[f64], weights: Option<&[f32]>, task: Task, learner: Learner) -> Model {
    let x1 = (1..=12u8).map(f32::from).collect();
    let columns = vec![Column::Numeric(x1), Column::Numeric(X2.to_vec())];
    let matrix = Matrix::new(columns, 12).expect("equal lengths");
    let weights = weights.map(<[f32]>::to_vec);
    let data = Dataset::new(matrix, labels.to_vec(), weights, (0..12).collect(), task);
    let fit = Fit {
        data: Arc::new(data.expect("labels that can be learned")),
        train: (0..12).collect(),
        valid: Arc::from([]),
        learner,
        seed: 0,
    };
    let outcome = fit_one(&fit, &Control::default(), &mut Scratch::default(), false);
    // What is stored is what is reported.
    Model::from_bytes(&outcome.expect("a fit").model.to_bytes()).expect("its own bytes")
}

fn linear(weights: Option<&[f32]>, penalty: f64, l1_ratio: f64) -> Vec<Coefficient> {
    let options = LinearOptions {
        penalty,
        l1_ratio,
        ..LinearOptions::default()
    };
    let learner = Learner::Linear(options.check().expect("valid options"));
    match model(&Y, weights, Task::Regression, learner) {
        Model::Linear(model) => model.coefficients(),
        other => panic!("{other:?}"),
    }
}

fn logistic(weights: Option<&[f32]>, l1_ratio: f64) -> Vec<Coefficient> {
    let options = LogisticOptions {
        penalty: 1e-12,
        l1_ratio,
        tolerance: 1e-14,
        ..LogisticOptions::default()
    };
    let learner = Learner::Logistic(options.check().expect("valid options"));
    match model(
        &CLASS,
        weights,
        Task::Classification { classes: 2 },
        learner,
    ) {
        Model::Logistic(model) => model.coefficients().remove(0),
        other => panic!("{other:?}"),
    }
}

/// Value, standard error, statistic and p-value of the intercept and both columns.
type Expected = [[f64; 4]; 3];

fn compare(what: &str, found: &[Coefficient], expected: &Expected, tolerance: f64) {
    let sources = [
        TermSource::Intercept,
        TermSource::Number { column: 0 },
        TermSource::Number { column: 1 },
    ];
    assert_eq!(found.len(), 3, "{what}");
    for ((found, source), expected) in found.iter().zip(sources).zip(expected) {
        let told = found.uncertainty.expect("an uncertainty");
        let numbers = [
            found.value,
            told.standard_error,
            told.statistic,
            told.p_value,
        ];
        assert_eq!(found.source, source);
        for (found, expected) in numbers.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= tolerance * expected.abs(),
                "{what}, {source:?}: {found} instead of {expected}"
            );
        }
    }
}

#[test]
fn least_squares_match_statsmodels() {
    let plain = [
        [
            0.387682494684646,
            0.4033431500698546,
            0.9611728738110555,
            0.3615756065249712,
        ],
        [
            0.8561504055437418,
            0.060172643286895186,
            14.2282332764032,
            1.7832356930832762e-07,
        ],
        [
            0.7207723442790765,
            0.07222169349991388,
            9.979997828213985,
            3.6383618814354083e-06,
        ],
    ];
    compare("ols", &linear(None, 0.0, 0.0), &plain, 1e-9);
    let weighted = [
        [
            0.22409252493944054,
            0.45418972849000033,
            0.4933896803092813,
            0.6335525586814494,
        ],
        [
            0.8634220819956445,
            0.07881557106581645,
            10.954968292682006,
            1.66658578114826e-06,
        ],
        [
            0.6958602408452946,
            0.08656623873821451,
            8.038471475578948,
            2.130204515765688e-05,
        ],
    ];
    compare("wls", &linear(Some(&WEIGHTS), 0.0, 0.0), &weighted, 1e-9);
    // The size of weights says how rows compare, not how many there are.
    let tenfold = WEIGHTS.map(|weight| 10.0 * weight);
    compare("wls", &linear(Some(&tenfold), 0.0, 0.0), &weighted, 1e-9);
}

#[test]
fn a_ridge_penalty_changes_the_spread_as_the_formula_says() {
    let expected = [
        [
            1.4585211310330486,
            0.5153119655590664,
            2.8303653485916755,
            0.019486759900494092,
        ],
        [
            0.7336010867738567,
            0.06274059242980261,
            11.69260694493198,
            8.652537418625848e-07,
        ],
        [
            0.667901392116347,
            0.07530385219848013,
            8.869418663416363,
            8.891899784706206e-06,
        ],
    ];
    compare("ridge", &linear(None, 0.2, 0.0), &expected, 1e-9);
    let uncertain = |found: Vec<Coefficient>| found.iter().any(|c| c.uncertainty.is_some());
    assert!(!uncertain(linear(None, 0.2, 0.5)), "an l1 penalty has none");
    assert!(!uncertain(logistic(None, 1.0)), "an l1 penalty has none");
}

#[test]
fn maximum_likelihood_matches_statsmodels() {
    let plain = [
        [
            -4.262738008152634,
            2.4681925840341314,
            -1.727068639508434,
            0.08415533695770952,
        ],
        [
            0.17633423330103928,
            0.2682236821460808,
            0.6574148557285244,
            0.5109142019997285,
        ],
        [
            0.6068348270333975,
            0.3681385326065961,
            1.6483871512626456,
            0.09927325095522,
        ],
    ];
    compare("logit", &logistic(None, 0.0), &plain, 1e-6);
    let weighted = [
        [
            -4.153986149671986,
            2.3453670608243082,
            -1.7711454292412616,
            0.07653652116290766,
        ],
        [
            0.08270603987333805,
            0.29644543146849484,
            0.2789924589616344,
            0.7802506119675207,
        ],
        [
            0.760838315150024,
            0.3811268190858993,
            1.996286477490172,
            0.04590274909970419,
        ],
    ];
    compare(
        "weighted logit",
        &logistic(Some(&WEIGHTS), 0.0),
        &weighted,
        1e-6,
    );
}

#[test]
fn what_the_rows_do_not_determine_has_no_error() {
    let options = LinearOptions {
        penalty: 0.0,
        ..LinearOptions::default()
    };
    let learner = || Learner::Linear(options.check().expect("valid options"));
    let x: Vec<f32> = (0..6u8).map(f32::from).collect();
    let twice = x.iter().map(|x| 2.0 * x).collect();
    let noisy = vec![1.0, 3.0, 2.0, 5.0, 4.0, 6.0];
    let fitted = |columns: Vec<Column>, labels: Vec<f64>| {
        let rows = labels.len();
        let matrix = Matrix::new(columns, rows).expect("equal lengths");
        let keys = (0..rows as u64).collect();
        let data = Dataset::new(matrix, labels, None, keys, Task::Regression);
        let fit = Fit {
            data: Arc::new(data.expect("labels that can be learned")),
            train: (0..rows as u32).collect(),
            valid: Arc::from([]),
            learner: learner(),
            seed: 0,
        };
        let outcome = fit_one(&fit, &Control::default(), &mut Scratch::default(), false);
        match outcome.expect("a fit").model {
            Model::Linear(model) => model.coefficients(),
            other => panic!("{other:?}"),
        }
    };
    let same = fitted(
        vec![Column::Numeric(x.clone()), Column::Numeric(twice)],
        noisy,
    );
    assert!(same.iter().all(|c| c.uncertainty.is_none()), "{same:?}");
    let few = fitted(vec![Column::Numeric(vec![1.0, 2.0])], vec![1.0, 5.0]);
    assert!(few.iter().all(|c| c.uncertainty.is_none()), "{few:?}");
    assert!((few[1].value - 4.0).abs() < 1e-9 && (few[0].value + 3.0).abs() < 1e-9);
    // A line without noise is certain.
    let exact = fitted(
        vec![Column::Numeric(x.clone())],
        x.iter().map(|&x| 1.0 + 2.0 * f64::from(x)).collect(),
    );
    let slope = exact[1].uncertainty.expect("an uncertainty");
    assert!(
        slope.standard_error < 1e-12 && slope.p_value < 1e-20,
        "{slope:?}"
    );
}
