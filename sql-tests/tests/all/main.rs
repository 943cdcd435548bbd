//! Every test that looks at the project from outside, in one binary so that it links once.

mod tidy;
