//! Tests of the pipeline: contracts over all components of a stage, golden slates, laws.

mod answers;
mod contracts;
mod golden;
mod rankings;
mod table;
mod world;
