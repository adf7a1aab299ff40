//! Who caused what.

use super::shopper::Shopper;
use crate::{Failure, screen};

/// All of an order's conversation, as the shop draws it.
pub(super) async fn why_it_came_to_that(shopper: &Shopper, id: &str) -> Result<(), Failure> {
    screen::chapter("Why it came to that: the whole conversation about the first order");
    let path = format!("/conversations/{}", Shopper::conversation(id));
    let request = shopper.client.get(path).header("Accept", "text/plain");
    let tree = shopper.step(request, 200, |_| "as text".to_owned()).await?;
    for line in String::from_utf8_lossy(&tree.body).lines() {
        println!("  {line}");
    }
    Ok(())
}
