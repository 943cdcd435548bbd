//! What did the statement ask for, beyond its query? Options by name, unit and range, once each.

use std::time::Duration;

use tarn_udfs::model::label::Task;

use super::refit_plan::RefitOptions;
use tarn_gpu::device::DeviceChoice;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::family::Family;
use tarn_udfs::fit::metric::Metric;
use tarn_udfs::fit::option_value::{OptionValue, bad_value, unknown_option};
use tarn_udfs::fit::places::parse_device;

/// Default time for a search.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Most trials of one statement.
pub const TRIALS_MAX: u64 = 10_000;

/// Options of CREATE MODEL that passed their checks.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// Task, when the statement overrides what the label says.
    pub task: Option<Task>,
    /// What selection minimises or maximises; the task's default otherwise.
    pub metric: Option<Metric>,
    /// Time for the whole search; `None` is no limit.
    pub timeout: Option<Duration>,
    /// Most trials; a run limited only by trials gives the same bytes every time.
    pub trials_max: Option<u32>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Share of rows that only the report sees.
    pub test_size: f64,
    /// Folds of the cross-validation.
    pub folds: Option<u32>,
    /// How the winners are fitted in the end.
    pub refit: RefitOptions,
    /// The class that `predict_proba` reports.
    pub positive_label: Option<String>,
    /// Families that may be tried.
    pub families: Vec<Family>,
    /// Whether the statement itself sets the timeout.
    pub timeout_given: bool,
    /// Where the fits may run.
    pub device: DeviceChoice,
    /// Notices about options that were read and have no effect.
    pub notices: Vec<String>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            task: None,
            metric: None,
            timeout: Some(TIMEOUT_DEFAULT),
            trials_max: None,
            seed: 0,
            test_size: 0.2,
            folds: None,
            refit: RefitOptions::default(),
            positive_label: None,
            families: Family::ALL.to_vec(),
            timeout_given: false,
            device: DeviceChoice::Auto,
            notices: Vec::new(),
        }
    }
}

/// Every option: name, accepted values, meaning.
pub const OPTIONS: [(&str, &str, &str); 14] = [
    (
        "task",
        "'regression', 'classification'",
        "What is learned. Without it, text and boolean labels are classes, whole numbers with two values too, other \
         numbers are quantities.",
    ),
    (
        "metric",
        "a metric's name",
        "What the search optimises: log_loss and rmse unless said otherwise.",
    ),
    (
        "timeout",
        "a duration with its unit",
        "Time for search, judgement and last fit together: 60 s for AUTOML, none for a named algorithm.",
    ),
    (
        "max_trials",
        "1 to 10000",
        "Ends the search after this many trials and lifts the default timeout: the result is the same every time.",
    ),
    ("seed", "a whole number", "Seed of every random choice, 0."),
    (
        "test_size",
        "0.05 to 0.5",
        "Share of the rows that only the report sees, 0.2.",
    ),
    (
        "folds",
        "2 to 20",
        "Folds of the cross-validation: by the number of rows.",
    ),
    (
        "bags",
        "1 to 10",
        "Fits of each winner on all rows, with different seeds: 3, fewer when time is short.",
    ),
    (
        "blend_trials",
        "'4,7'",
        "Numbers of the trials that may answer together: all.",
    ),
    (
        "refit_rows",
        "100 or more",
        "Most rows of the last fit: all, fewer when time is short.",
    ),
    (
        "positive_label",
        "a class",
        "The class that predict_proba reports.",
    ),
    (
        "algorithms",
        "'trees, linear, …'",
        "Algorithms that the search may try.",
    ),
    (
        "exclude_algorithms",
        "'trees, linear, …'",
        "Algorithms that the search may not try.",
    ),
    (
        "device",
        "'auto', 'cpu', 'gpu'",
        "Where the fits run: auto takes the one that seems faster and says so.",
    ),
];

/// Names that the design reserves for later capabilities.
const LATER: [&str; 15] = [
    "trial_early_stopping",
    "early_stopping_rounds",
    "search",
    "split_column",
    "sample_weight",
    "class_weights",
    "imputers",
    "max_groups",
    "explain",
    "prediction_intervals",
    "results_table",
    "background",
    "promote",
    "skip_if_unchanged",
    "keep_versions",
];

impl TrainOptions {
    /// Checks the options of WITH and of AUTOML together.
    pub fn check<'a>(
        given: impl IntoIterator<Item = &'a (String, OptionValue)>,
        place: &str,
    ) -> Result<Self, TrainError> {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in given {
            let key = name.to_ascii_lowercase();
            if seen.contains(&key) {
                return Err(TrainError::DuplicateOption { name: key });
            }
            options.set(&key, name, value, place)?;
            seen.push(key);
        }
        // Without a limit of its own, a run that counts trials is not cut by the clock: that makes it repeatable.
        options.timeout_given = seen.iter().any(|name| name == "timeout");
        if options.trials_max.is_some() && !options.timeout_given {
            options.timeout = None;
        }
        Ok(options)
    }

    fn set(
        &mut self,
        key: &str,
        name: &str,
        value: &OptionValue,
        place: &str,
    ) -> Result<(), TrainError> {
        let refuse = |accepted: &str| bad_value(name, value, accepted);
        match key {
            "task" => {
                self.task = Some(
                    Task::parse(value.spelling())
                        .ok_or_else(|| refuse("'regression' or 'classification'"))?,
                )
            }
            "metric" => {
                self.metric =
                    Some(Metric::parse(value.spelling()).ok_or_else(|| refuse(&Metric::names()))?);
            }
            "timeout" => {
                let accepted =
                    "a duration with its unit, at most one year, such as '60 s' or '30 min'";
                self.timeout = Some(value.as_duration().ok_or_else(|| refuse(accepted))?);
            }
            "max_trials" => {
                let count = value
                    .as_count()
                    .filter(|count| (1..=TRIALS_MAX).contains(count));
                self.trials_max = Some(count.ok_or_else(|| refuse("1 to 10000"))? as u32);
            }
            "seed" => {
                self.seed = value
                    .as_count()
                    .ok_or_else(|| refuse("a whole number, 0 or more"))?
            }
            "test_size" => {
                let share = value.as_real().filter(|share| (0.05..=0.5).contains(share));
                self.test_size = share.ok_or_else(|| refuse("a share of the rows, 0.05 to 0.5"))?;
            }
            "folds" => {
                let count = value.as_count().filter(|count| (2..=20).contains(count));
                self.folds = Some(count.ok_or_else(|| refuse("2 to 20"))? as u32);
            }
            "bags" | "blend_trials" | "refit_rows" => self.set_refit(key, name, value)?,
            "positive_label" => self.positive_label = Some(value.spelling().to_owned()),
            "algorithms" => self.families = Family::parse_list(name, value)?,
            "exclude_algorithms" => {
                let excluded = Family::parse_list(name, value)?;
                self.families.retain(|family| !excluded.contains(family));
                if self.families.is_empty() {
                    return Err(refuse("a list that leaves at least one algorithm"));
                }
            }
            "device" => self.device = parse_device(name, value)?,
            _ if LATER.contains(&key) => {
                return Err(TrainError::OptionNotSupported {
                    name: name.to_owned(),
                });
            }
            _ => {
                return Err(unknown_option(
                    place,
                    name,
                    &OPTIONS.map(|(name, _, _)| name),
                ));
            }
        }
        Ok(())
    }

    fn set_refit(&mut self, key: &str, name: &str, value: &OptionValue) -> Result<(), TrainError> {
        let refuse = |accepted: &str| bad_value(name, value, accepted);
        match key {
            "bags" => {
                let count = value.as_count().filter(|count| (1..=10).contains(count));
                self.refit.bags = Some(count.ok_or_else(|| refuse("1 to 10"))? as usize);
            }
            "refit_rows" => {
                let count = value.as_count().filter(|&count| count >= 100);
                let count = count.ok_or_else(|| refuse("a number of rows, 100 or more"))?;
                self.refit.rows_max = Some(usize::try_from(count).unwrap_or(usize::MAX));
            }
            _ => {
                let numbers = value
                    .spelling()
                    .split(',')
                    .map(|number| number.trim().parse());
                self.refit.blend_trials = numbers
                    .collect::<Result<_, _>>()
                    .map_err(|_| refuse("numbers of trials such as '4,7'"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: OptionValue) -> Result<TrainOptions, TrainError> {
        TrainOptions::check(&[(name.to_owned(), value)], "WITH")
    }

    fn text(value: &str) -> OptionValue {
        OptionValue::Text(value.into())
    }

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!(
            check("timeout", text("1.5 min")).unwrap().timeout,
            Some(Duration::from_secs(90))
        );
        assert_eq!(
            check("timeout", text("250ms")).unwrap().timeout,
            Some(Duration::from_millis(250))
        );
        for bad in [
            OptionValue::Number("60".into()),
            text("60"),
            text("-1 s"),
            text("0 s"),
            text("5 parsecs"),
        ] {
            assert_eq!(check("timeout", bad).unwrap_err().sqlstate(), Some("22023"));
        }
    }

    #[test]
    fn names_are_checked_with_a_suggestion() {
        let error = check("max_trails", OptionValue::Number("3".into())).unwrap_err();
        assert_eq!(error.to_string(), "unrecognized WITH option \"max_trails\"");
        assert_eq!(
            error.hint().as_deref(),
            Some("Did you mean \"max_trials\"?")
        );
        assert_eq!(
            check("results_table", text("x")).unwrap_err().sqlstate(),
            Some("0A000")
        );
        let twice = [
            ("seed".to_owned(), text("1")),
            ("SEED".to_owned(), text("2")),
        ];
        assert_eq!(
            TrainOptions::check(&twice, "WITH").unwrap_err().sqlstate(),
            Some("42601")
        );
    }

    #[test]
    fn counting_trials_lifts_the_default_timeout_only() {
        assert_eq!(TrainOptions::default().timeout, Some(TIMEOUT_DEFAULT));
        let counted = check("max_trials", OptionValue::Number("5".into())).unwrap();
        assert_eq!((counted.trials_max, counted.timeout), (Some(5), None));
        let both = [
            ("max_trials".to_owned(), text("5")),
            ("timeout".to_owned(), text("10 s")),
        ];
        assert_eq!(
            TrainOptions::check(&both, "WITH").unwrap().timeout,
            Some(Duration::from_secs(10))
        );
    }

    #[test]
    fn algorithm_lists_are_read_and_checked() {
        let chosen = check("algorithms", text("trees, LINEAR")).unwrap();
        assert_eq!(chosen.families, [Family::Trees, Family::Linear]);
        let error = check("exclude_algorithms", text("treees")).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("Did you mean \"trees\"?"));
        assert!(check("exclude_algorithms", text("trees,linear,logistic,baseline")).is_err());
        assert_eq!(
            check("device", text("tpu")).unwrap_err().sqlstate(),
            Some("22023")
        );
    }
}
