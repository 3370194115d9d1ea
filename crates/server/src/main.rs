//! The binary `vitrina`: everything is in the library beside it.

use std::process::ExitCode;

/// Many small allocations on many threads, freed on others: what mimalloc is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vitrina_server::allocator::keep_freed();
    vitrina_server::cli::main()
}
