//! The proof of exactly-once: the engine's own workers and stages under a seeded scheduler.
//!
//! Each schedule runs one to three workers with three stages (users, products, rows: two re-keyed
//! ones) over a transactional broker and a store in memory. The seed decides every step: who
//! goes on, what arrives, what the broker does, what goes wrong and where. Then the laws of
//! [`laws`] must hold, during it and after it.
//!
//! A failing seed repeats with
//! `VITRINA_SIMULATION_SEED=<seed> cargo test -p vitrina-engine simulation::tests::one_seed`.

mod input;
mod laws;
mod oracle;
mod pace;
mod schedule;
mod scripts;
mod tests;
mod world;
mod wrong;
