//! What has been learned, as numbers: a weighted blend of fits, and what turns their answers into the label's scale.

use tarn_gpu::calibration::Calibration;
use tarn_gpu::math;
use tarn_gpu::matrix::Matrix;
use tarn_gpu::model::Model;

use super::bytes::{Reader, Writer};
use super::label::{Label, Task};
use crate::error::ModelError;

/// Most members of a blend.
pub const MEMBERS_MAX: usize = 1_000;

/// How a regression's label was moved before learning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetScale {
    /// Subtracted before learning.
    pub offset: f64,
    /// Divided by before learning.
    pub scale: f64,
    /// Whether the label's ln(1 + y) was learned.
    pub log: bool,
}

impl TargetScale {
    /// Learns the label as it is.
    pub const IDENTITY: Self = Self {
        offset: 0.0,
        scale: 1.0,
        log: false,
    };

    /// The label as learners see it.
    pub fn forward(self, label: f64) -> f64 {
        let moved = if self.log {
            label.max(-0.999_999).ln_1p()
        } else {
            label
        };
        (moved - self.offset) / self.scale
    }

    /// A learner's answer as a label.
    pub fn back(self, answer: f64) -> f64 {
        let moved = answer * self.scale + self.offset;
        if self.log {
            math::exp(moved) - 1.0
        } else {
            moved
        }
    }
}

/// One fit of a blend.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its share of the answer; the shares of a blend sum to 1.
    pub weight: f64,
    /// How its label was moved.
    pub target: TargetScale,
    /// The fit.
    pub learner: Model,
}

/// A model for one set of rows: everything that scoring needs except the features.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    /// Fits and their shares.
    pub members: Vec<Member>,
    /// Codes, among the label's classes, of the classes that the rows had; all of them when empty.
    pub classes: Vec<u32>,
    /// Corrects probabilities.
    pub calibration: Option<Calibration>,
    stored_bytes: usize,
}

impl TrainedModel {
    /// A blend of fits.
    pub fn new(members: Vec<Member>, classes: Vec<u32>, calibration: Option<Calibration>) -> Self {
        let stored_bytes = members
            .iter()
            .map(|member| member.learner.to_bytes().len())
            .sum();
        Self {
            members,
            classes,
            calibration,
            stored_bytes,
        }
    }

    /// Scores every row: row after row, [`Label::outputs`] numbers each.
    pub fn score(&self, features: &Matrix, label: &Label) -> Result<Vec<f64>, ModelError> {
        let rows: Vec<u32> = (0..features.rows() as u32).collect();
        self.score_rows(features, &rows, label)
    }

    /// Scores some rows, in their order.
    pub fn score_rows(
        &self,
        features: &Matrix,
        rows: &[u32],
        label: &Label,
    ) -> Result<Vec<f64>, ModelError> {
        let mut blend: Vec<f64> = Vec::new();
        for member in &self.members {
            let prediction = member.learner.predict_rows(features, rows);
            let prediction = prediction.map_err(|error| ModelError::Learner(error.to_string()))?;
            let answers = prediction.numbers();
            if blend.is_empty() {
                blend = vec![0.0; answers.len()];
            }
            for (sum, &answer) in blend.iter_mut().zip(answers) {
                let value = if label.task == Task::Regression {
                    member.target.back(answer)
                } else {
                    answer
                };
                *sum += member.weight * value;
            }
        }
        let outputs = self.outputs(label);
        if blend.len() != rows.len() * outputs {
            return Err(ModelError::damaged(
                "a fit does not answer as the label asks",
            ));
        }
        if let Some(calibration) = &self.calibration {
            calibration.apply(&mut blend, outputs);
        }
        Ok(self.place_classes(blend, label))
    }

    /// Numbers per row of the blend itself, before its classes are placed among the label's.
    fn outputs(&self, label: &Label) -> usize {
        if self.classes.is_empty() {
            label.outputs()
        } else {
            self.classes.len()
        }
    }

    /// Spreads the probabilities of the classes that the rows had over all classes of the label.
    fn place_classes(&self, blend: Vec<f64>, label: &Label) -> Vec<f64> {
        if self.classes.is_empty() || self.classes.len() == label.classes.len() {
            return blend;
        }
        let (own, all) = (self.outputs(label), label.outputs());
        let mut placed = vec![0.0; blend.len() / own * all];
        for (from, to) in blend.chunks_exact(own).zip(placed.chunks_exact_mut(all)) {
            for (&class, probability) in self.classes.iter().zip(from) {
                to[class as usize] = *probability;
            }
        }
        placed
    }

    /// Bytes of memory that the model holds, roughly.
    pub fn memory_bytes(&self) -> usize {
        // Once as it is stored, and once as it is prepared for scoring many rows.
        2 * self.stored_bytes + 256 * (1 + self.members.len())
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let mut calibration = tarn_gpu::bytes::Writer::new();
        if let Some(fitted) = &self.calibration {
            fitted.write(&mut calibration);
        }
        writer.block(&calibration.finish());
        writer.u32(self.classes.len() as u32);
        for &class in &self.classes {
            writer.u32(class);
        }
        writer.u32(self.members.len() as u32);
        for member in &self.members {
            writer.f64(member.weight);
            writer.f64(member.target.offset);
            writer.f64(member.target.scale);
            writer.u8(u8::from(member.target.log));
            writer.block(&member.learner.to_bytes());
        }
        writer.into_bytes()
    }

    /// Reads the stored form of a model for this label.
    pub fn from_bytes(bytes: &[u8], label: &Label) -> Result<Self, ModelError> {
        let mut reader = Reader::new(bytes);
        let calibration = read_calibration(reader.block()?)?;
        let classes = read_classes(&mut reader, label)?;
        let count = reader.count(33)?;
        if count == 0 || count > MEMBERS_MAX {
            return Err(ModelError::damaged("a blend has no members or too many"));
        }
        let mut model = Self {
            members: Vec::with_capacity(count),
            classes,
            calibration,
            stored_bytes: bytes.len(),
        };
        for _ in 0..count {
            let weight = reader.finite()?;
            let target = TargetScale {
                offset: reader.finite()?,
                scale: reader.finite()?,
                log: reader.u8()? == 1,
            };
            let learner = Model::from_bytes(reader.block()?)
                .map_err(|error| ModelError::damaged(error.to_string()))?;
            model.members.push(Member {
                weight,
                target,
                learner,
            });
        }
        reader.finish()?;
        Ok(model)
    }
}

fn read_calibration(bytes: &[u8]) -> Result<Option<Calibration>, ModelError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let damaged = |error: tarn_gpu::error::DecodeError| ModelError::damaged(error.to_string());
    let mut reader = tarn_gpu::bytes::Reader::new(bytes);
    let calibration = Calibration::read(&mut reader).map_err(damaged)?;
    reader.end().map_err(damaged)?;
    Ok(Some(calibration))
}

fn read_classes(reader: &mut Reader<'_>, label: &Label) -> Result<Vec<u32>, ModelError> {
    let count = reader.count(4)?;
    let classes = (0..count)
        .map(|_| reader.u32())
        .collect::<Result<Vec<_>, _>>()?;
    let known = classes
        .iter()
        .all(|&class| (class as usize) < label.classes.len());
    let ordered = classes.windows(2).all(|pair| pair[0] < pair[1]);
    let enough = classes.is_empty() || classes.len() >= 2;
    if known && ordered && enough {
        Ok(classes)
    } else {
        Err(ModelError::damaged("a model's classes are not the label's"))
    }
}
