// SPDX-License-Identifier: Apache-2.0
//! What of a network the kernel does not have yet.

use crate::error::Result;
use crate::network::render::kernel::Change;
use crate::root::Tree;

/// Those of `asked` that are not so yet.
pub fn missing(asked: &[Change], _: &dyn Tree) -> Result<Vec<Change>> {
    Ok(asked.to_vec())
}
