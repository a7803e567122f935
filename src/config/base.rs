// SPDX-License-Identifier: Apache-2.0
//! The image's own settings: cloud-config defaults and the `firstlight:` keys.

/// The image's own settings.
#[derive(Debug, Clone, Default)]
pub struct Settings {}
