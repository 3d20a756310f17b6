//! A running shop, of which a command is a client.

use holdfast_client::{Credentials, Shop};
use holdfast_types::Result;

use super::read_password;
use crate::cli::ShopFlags;

/// Signs in.
pub(super) async fn sign_in(flags: &ShopFlags) -> Result<Shop> {
    let password = match &flags.password {
        Some(password) => password.clone(),
        None => read_password(&format!("Password of {}: ", flags.user))?,
    };
    Shop::sign_in(&flags.url, Credentials { username: flags.user.clone(), password }).await
}
