//! Creating and changing products: rules decide in the transaction that writes, over what nobody else can change meanwhile.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{
    Code, Error, IdempotentAnswer, Message, Operation, ProductId, Result, Timestamp,
};

use super::{ProductStore, Render, RenderBatch, SERVICE};
use crate::model::{BatchRequest, Change, Movement, NewProduct, Product, Written, decide_batch};

impl ProductStore {
    /// Creates a product once per id: a second call returns the one that is there and `true`.
    /// Refuses with `sku-taken`.
    pub(crate) async fn create(&self, new: &NewProduct) -> Result<(Product, bool)> {
        let (store, product) = (self.clone(), Product::new(new));
        let create = move |tx: Tx| {
            let (store, product) = (store.clone(), product.clone());
            async move { store.create_in(&tx, product).await }
        };
        self.db.transact(create).await
    }

    async fn create_in(&self, tx: &Tx, product: Product) -> Result<(Product, bool), Fault> {
        let id = product.id;
        if let Some(found) = self.load_for_change(tx, id).await? {
            return Ok((found, true));
        }
        let created = Written { before: None, product: product.clone(), movement: None };
        match self.save_and_tell(tx, vec![created]).await {
            Ok(()) => Ok((product, false)),
            // Whoever has the sku may be the same request, which came twice.
            Err(Fault::Refused(error)) => match self.load_for_change(tx, id).await? {
                Some(found) => Ok((found, true)),
                None => Err(error.into()),
            },
            Err(fault) => Err(fault),
        }
    }

    /// Changes a product as `judge` says; once per operation. Refuses with `sku-taken`.
    pub(crate) async fn edit(
        &self,
        id: ProductId,
        operation: &Operation,
        now: Timestamp,
        render: Render,
        judge: impl Fn(&mut Product) -> Result<Option<Movement>> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (store, judge) = (self.clone(), Arc::new(judge));
        let edit = move |tx: Tx| {
            let (store, judge) = (store.clone(), Arc::clone(&judge));
            async move {
                let found = store.load_for_change(&tx, id).await?;
                let before = found.ok_or_else(|| Error::not_found("product"))?;
                let mut product = before.clone();
                let movement = judge(&mut product)?;
                let answer = render(&product)?;
                if product != before {
                    let written = Written { before: Some(before), product, movement };
                    store.save_and_tell(&tx, vec![written]).await?;
                }
                Ok(answer)
            }
        };
        self.db.once(SERVICE, operation, now, edit).await
    }

    /// Creates and updates many products in one transaction; once per operation.
    pub(crate) async fn write_batch(
        &self,
        request: Result<BatchRequest>,
        operation: &Operation,
        change: Change,
        render: RenderBatch,
    ) -> Result<IdempotentAnswer> {
        let (store, request, operation) = (self.clone(), Arc::new(request), *operation);
        let write = move |tx: Tx| {
            let (store, request) = (store.clone(), Arc::clone(&request));
            async move {
                let request = request.as_ref().as_ref().map_err(Error::copy)?;
                let existing = store.load_by_sku(&tx, request.skus()).await?;
                let (outcomes, written) = decide_batch(request, existing, &operation, change)?;
                store.save_batch(&tx, written).await?;
                Ok(render(&outcomes)?)
            }
        };
        self.db.once(SERVICE, &operation, change.at, write).await
    }

    async fn save_and_tell(&self, tx: &Tx, written: Vec<Written>) -> Result<(), Fault> {
        let messages: Vec<Message> = written.iter().flat_map(Written::messages).collect();
        self.save(tx, written).await?;
        self.outbox.put(tx, messages).await
    }

    async fn save_batch(&self, tx: &Tx, mut written: Vec<Written>) -> Result<(), Fault> {
        // Whoever takes several skus does it in one order.
        written.sort_by(|one, other| one.sku().cmp(&other.sku()));
        match self.save_and_tell(tx, written).await {
            // Somebody else has just taken one of those that nobody had.
            Err(Fault::Refused(error)) if error.code() == Code::SkuTaken => Err(Fault::Stale),
            saved => saved,
        }
    }
}
