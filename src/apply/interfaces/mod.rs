// SPDX-License-Identifier: Apache-2.0
//! Making the kernel's network what it is asked to be.

use crate::error::{Error, Result};
use crate::network::render::kernel::Change;
use crate::root::Root;

/// Makes each of `changes`.
pub fn make(_: &[Change], _: &Root) -> Result<()> {
    Err(Error::fatal("not built yet"))
}
