//! What products look like on the wire.

mod body;
mod hold;
mod patch;
mod view;

pub(super) use body::{
    BatchBody, Mode, ProductBody, ProductDraft, ProductReplacement, StockBody, without_read_only,
};
pub(super) use hold::{HoldBody, HoldPage, HoldView};
pub(super) use patch::PatchBody;
pub(super) use view::{
    BatchResult, CategoryList, MovementPage, MovementView, ProductPage, ProductView, changed,
    with_current, written,
};
