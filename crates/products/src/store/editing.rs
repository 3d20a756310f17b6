//! Creating and changing products: rules decide in the transaction that writes, over what nobody else can change meanwhile.

use std::{collections::BTreeMap, sync::Arc};

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{
    Answer, Audit, Code, Error, IdempotentAnswer, Message, Operation, ProductId, Result, Timestamp,
};

use super::{ProductStore, Render, RenderBatch};
use crate::model::{BatchRequest, Change, Movement, NewProduct, Product, Written, decide_batch};

impl ProductStore {
    /// Creates a product once per id: a second call returns the one that is there and `true`.
    /// Refuses with `sku-taken`.
    pub(crate) async fn create(
        &self,
        new: &NewProduct,
        audit: Option<Arc<Audit>>,
    ) -> Result<(Product, bool)> {
        let (store, product) = (self.clone(), Product::new(new));
        let create = move |tx: Tx| {
            let (store, product, audit) = (store.clone(), product.clone(), audit.clone());
            async move { store.create_in(&tx, product, audit.as_deref()).await }
        };
        self.db.transact(create).await
    }

    async fn create_in(
        &self,
        tx: &Tx,
        product: Product,
        audit: Option<&Audit>,
    ) -> Result<(Product, bool), Fault> {
        let id = product.id;
        if let Some(found) = self.load_for_change(tx, id).await? {
            return Ok((found, true));
        }
        let created = Written { before: None, product: product.clone(), movement: None };
        match self.save_and_tell(tx, vec![created], audit).await {
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
                    store.save_and_tell(&tx, vec![written], None).await?;
                }
                Ok(answer)
            }
        };
        self.outbox.once(operation, now, edit).await
    }

    /// Creates and updates many products in one transaction; once per operation.
    pub(crate) async fn write_batch(
        &self,
        request: Result<BatchRequest>,
        operation: &Operation,
        change: Change,
        render: RenderBatch,
    ) -> Result<IdempotentAnswer> {
        let (store, request) = (self.clone(), Arc::new(request));
        // Who answers for it does so for each product.
        let alone = Operation { audit: None, ..operation.clone() };
        let operation = operation.clone();
        let write = move |tx: Tx| {
            let (store, request) = (store.clone(), Arc::clone(&request));
            let operation = operation.clone();
            async move {
                let request = request.as_ref().as_ref().map_err(Error::copy)?;
                let existing = store.load_by_sku(&tx, request.skus()).await?;
                let (outcomes, written) = decide_batch(request, existing, &operation, change)?;
                store.save_batch(&tx, written, operation.audit.as_deref()).await?;
                Ok(render(&outcomes)?)
            }
        };
        self.outbox.once(&alone, change.at, write).await
    }

    /// Tells who answers for what nothing here is changed by, if anybody does; once per operation.
    pub(crate) async fn note_audit(&self, operation: &Operation, now: Timestamp) -> Result<()> {
        if operation.audit.is_none() {
            return Ok(());
        }
        let nothing = |_| async { Ok(Answer { status: 204, etag: None, body: Vec::new() }) };
        self.outbox.once(operation, now, nothing).await.map(|_| ())
    }

    async fn save_and_tell(
        &self,
        tx: &Tx,
        written: Vec<Written>,
        audit: Option<&Audit>,
    ) -> Result<(), Fault> {
        let mut messages: Vec<Message> = written.iter().flat_map(Written::messages).collect();
        if let Some(audit) = audit {
            // A batch may write the same one twice.
            let products = written.iter().map(|written| &written.product);
            let once: BTreeMap<_, _> =
                products.map(|product| (product.id.uuid(), product.updated_at)).collect();
            messages.extend(once.into_iter().map(|(id, at)| audit.about(id).message(at)));
        }
        self.save(tx, written).await?;
        self.outbox.put(tx, messages).await
    }

    async fn save_batch(
        &self,
        tx: &Tx,
        mut written: Vec<Written>,
        audit: Option<&Audit>,
    ) -> Result<(), Fault> {
        // Whoever takes several skus does it in one order.
        written.sort_by(|one, other| one.sku().cmp(&other.sku()));
        match self.save_and_tell(tx, written, audit).await {
            // Somebody else has just taken one of those that nobody had.
            Err(Fault::Refused(error)) if error.code() == Code::SkuTaken => Err(Fault::Stale),
            saved => saved,
        }
    }
}
