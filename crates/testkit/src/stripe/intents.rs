//! PaymentIntents: made, read, changed, captured and cancelled. How they are paid is in `paying`.

use serde_json::{Map, Value, json};

use super::{
    account::{Account, Row, is_in_time},
    params::{Metadata, Params},
    refusal::Refusal,
};

/// The most that an amount can be.
const AMOUNT_MAX: i64 = 99_999_999;
/// Reasons that a shop can give for cancelling.
const REASONS: &[&str] = &["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
/// Fields of the object that are always null here.
const NULLS: &[&str] = &[
    "application",
    "application_fee_amount",
    "customer",
    "on_behalf_of",
    "processing",
    "review",
    "setup_future_usage",
    "shipping",
    "source",
    "statement_descriptor",
    "transfer_data",
];

/// Where an intent is, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    /// Its name in the API.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the buyer has not done their part yet.
    pub(super) const fn awaits_buyer(self) -> bool {
        matches!(
            self,
            Self::RequiresPaymentMethod | Self::RequiresConfirmation | Self::RequiresAction
        )
    }
}

/// An intent to take money once.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) client_secret: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) amount_capturable: i64,
    pub(super) amount_received: i64,
    pub(super) currency: String,
    pub(super) capture_method: String,
    pub(super) status: Status,
    pub(super) canceled_at: Option<i64>,
    pub(super) cancellation_reason: Option<String>,
    /// `allow_redirects`, when Stripe chooses the methods.
    pub(super) automatic_methods: Option<String>,
    pub(super) method_types: Vec<String>,
    /// The id, and the token that it was made from.
    pub(super) payment_method: Option<(String, String)>,
    pub(super) last_error: Option<Value>,
    pub(super) latest_charge: Option<String>,
    pub(super) next_action: Option<Value>,
    pub(super) metadata: Metadata,
    /// Texts that come back as they were given.
    pub(super) texts: Texts,
}

/// Texts that come back as they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    description: Option<String>,
    receipt_email: Option<String>,
    pub(super) return_url: Option<String>,
    statement_descriptor_suffix: Option<String>,
    transfer_group: Option<String>,
}

impl Texts {
    pub(super) fn merge(&mut self, params: &Params) {
        let fields = [
            ("description", &mut self.description),
            ("receipt_email", &mut self.receipt_email),
            ("return_url", &mut self.return_url),
            ("statement_descriptor_suffix", &mut self.statement_descriptor_suffix),
            ("transfer_group", &mut self.transfer_group),
        ];
        for (name, field) in fields {
            if let Some(text) = params.text(name) {
                *field = Some(text.to_owned());
            }
        }
    }
}

impl Intent {
    /// Whether money is only reserved when it is paid.
    pub(super) fn is_manual(&self) -> bool {
        self.capture_method == "manual"
    }

    /// Ends it without money.
    pub(super) fn cancel(&mut self, reason: Option<&str>, now: i64) {
        self.status = Status::Canceled;
        self.amount_capturable = 0;
        self.next_action = None;
        self.canceled_at = Some(now);
        self.cancellation_reason = reason.map(str::to_owned);
    }
}

impl Row for Intent {
    const OBJECT: &'static str = "payment_intent";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn wire(&self) -> Value {
        let methods = self.automatic_methods.as_ref();
        let methods =
            methods.map(|redirects| json!({"allow_redirects": redirects, "enabled": true}));
        let mut object: Map<String, Value> = [
            ("id", json!(self.id)),
            ("object", json!(Self::OBJECT)),
            ("amount", json!(self.amount)),
            ("amount_capturable", json!(self.amount_capturable)),
            ("amount_details", json!({"tip": {}})),
            ("amount_received", json!(self.amount_received)),
            ("automatic_payment_methods", json!(methods)),
            ("canceled_at", json!(self.canceled_at)),
            ("cancellation_reason", json!(self.cancellation_reason)),
            ("capture_method", json!(self.capture_method)),
            ("client_secret", json!(self.client_secret)),
            ("confirmation_method", json!("automatic")),
            ("created", json!(self.created)),
            ("currency", json!(self.currency)),
            ("description", json!(self.texts.description)),
            ("last_payment_error", json!(self.last_error)),
            ("latest_charge", json!(self.latest_charge)),
            ("livemode", json!(false)),
            ("metadata", json!(self.metadata)),
            ("next_action", json!(self.next_action)),
            ("payment_method", json!(self.payment_method.as_ref().map(|(id, _)| id))),
            ("payment_method_options", json!({})),
            ("payment_method_types", json!(self.method_types)),
            ("receipt_email", json!(self.texts.receipt_email)),
            ("statement_descriptor_suffix", json!(self.texts.statement_descriptor_suffix)),
            ("status", json!(self.status.name())),
            ("transfer_group", json!(self.texts.transfer_group)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        object.extend(NULLS.iter().map(|name| ((*name).to_owned(), Value::Null)));
        Value::Object(object)
    }
}

impl Account {
    /// `POST /v1/payment_intents`.
    pub(super) fn create_intent(&mut self, params: &Params) -> Result<Value, Refusal> {
        params.allow(&[
            "amount",
            "automatic_payment_methods",
            "capture_method",
            "confirm",
            "currency",
            "description",
            "metadata",
            "payment_method",
            "payment_method_types",
            "receipt_email",
            "return_url",
            "statement_descriptor_suffix",
            "transfer_group",
        ])?;
        let (automatic_methods, method_types) = methods(params)?;
        let methods = ["automatic", "automatic_async", "manual"];
        let capture = params.choice("capture_method", &methods)?.unwrap_or("automatic_async");
        params.required("amount")?;
        let mut intent = Intent {
            id: self.id("pi"),
            client_secret: String::new(),
            created: self.now(),
            amount: amount(params)?.unwrap_or_default(),
            amount_capturable: 0,
            amount_received: 0,
            currency: currency(params.required("currency")?)?,
            capture_method: capture.to_owned(),
            status: Status::RequiresPaymentMethod,
            canceled_at: None,
            cancellation_reason: None,
            automatic_methods,
            method_types,
            payment_method: None,
            last_error: None,
            latest_charge: None,
            next_action: None,
            metadata: params.metadata()?,
            texts: Texts::default(),
        };
        intent.client_secret = self.id(&format!("{}_secret", intent.id));
        intent.texts.merge(params);
        self.take_method(&mut intent, params)?;
        let must_confirm = params.flag("confirm")?.unwrap_or_default();
        if must_confirm {
            Self::check_can_confirm(&intent)?;
        }
        self.tell("payment_intent.created", &intent);
        self.intents.put(intent.clone());
        if must_confirm { self.confirm(intent) } else { Ok(intent.wire()) }
    }

    /// `GET /v1/payment_intents/{id}`.
    pub(super) fn get_intent(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.intents.named(id, "intent")?.wire())
    }

    /// `GET /v1/payment_intents`.
    pub(super) fn list_intents(&self, params: &Params) -> Result<Value, Refusal> {
        params.allow(&["created", "ending_before", "limit", "starting_after"])?;
        is_in_time(params, 0)?;
        let passes = |intent: &Intent| is_in_time(params, intent.created()).unwrap_or_default();
        self.intents.page(params, "/v1/payment_intents", passes)
    }

    /// `POST /v1/payment_intents/{id}`.
    pub(super) fn update_intent(&mut self, id: &str, params: &Params) -> Result<Value, Refusal> {
        params.allow(&[
            "amount",
            "currency",
            "description",
            "metadata",
            "payment_method",
            "receipt_email",
            "statement_descriptor_suffix",
            "transfer_group",
        ])?;
        let mut intent = self.intents.named(id, "intent")?;
        let terms = ["amount", "currency", "payment_method"];
        if terms.iter().any(|name| params.text(name).is_some()) && !intent.status.awaits_buyer() {
            let message = format!(
                "This PaymentIntent's terms could not be updated because it has a status of {}. Only a PaymentIntent \
                 with one of the following statuses may be updated: requires_payment_method, requires_confirmation, \
                 requires_action.",
                intent.status.name()
            );
            return Err(Refusal::unexpected_state(message, intent.wire()));
        }
        intent.amount = amount(params)?.unwrap_or(intent.amount);
        if let Some(text) = params.text("currency") {
            intent.currency = currency(text)?;
        }
        self.take_method(&mut intent, params)?;
        params.merge_metadata(&mut intent.metadata)?;
        intent.texts.merge(params);
        self.intents.put(intent.clone());
        Ok(intent.wire())
    }

    /// `POST /v1/payment_intents/{id}/capture`.
    pub(super) fn capture_intent(&mut self, id: &str, params: &Params) -> Result<Value, Refusal> {
        params.allow(&["amount_to_capture", "metadata"])?;
        let wanted = params.amount("amount_to_capture")?;
        let mut intent = self.intents.named(id, "intent")?;
        if intent.status != Status::RequiresCapture {
            let message = format!(
                "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one \
                 of the following statuses may be captured: requires_capture.",
                intent.status.name()
            );
            return Err(Refusal::unexpected_state(message, intent.wire()));
        }
        let captured = wanted.unwrap_or(intent.amount_capturable);
        if captured > intent.amount_capturable {
            let message = format!(
                "The amount to capture ({captured}) is greater than the capturable amount ({}).",
                intent.amount_capturable
            );
            let refusal = Refusal::invalid("amount_to_capture", message);
            return Err(refusal.code("amount_too_large").begun());
        }
        params.merge_metadata(&mut intent.metadata)?;
        intent.status = Status::Succeeded;
        intent.amount_capturable = 0;
        intent.amount_received = captured;
        let charge = intent.latest_charge.as_ref().and_then(|id| self.charges.get(id)).cloned();
        let mut charge = charge.expect("what can be captured has a charge");
        charge.is_captured = true;
        charge.amount_captured = captured;
        self.charges.put(charge);
        self.tell("payment_intent.succeeded", &intent);
        self.intents.put(intent.clone());
        Ok(intent.wire())
    }

    /// `POST /v1/payment_intents/{id}/cancel`. What is processing is not cancelled: Stripe does so "in rare cases".
    pub(super) fn cancel_intent(&mut self, id: &str, params: &Params) -> Result<Value, Refusal> {
        params.allow(&["cancellation_reason"])?;
        let reason = params.choice("cancellation_reason", REASONS)?;
        let mut intent = self.intents.named(id, "intent")?;
        if !intent.status.awaits_buyer() && intent.status != Status::RequiresCapture {
            let message = format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of \
                 the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action.",
                intent.status.name()
            );
            return Err(Refusal::unexpected_state(message, intent.wire()));
        }
        intent.cancel(reason, self.now());
        self.tell("payment_intent.canceled", &intent);
        self.intents.put(intent.clone());
        Ok(intent.wire())
    }
}

fn amount(params: &Params) -> Result<Option<i64>, Refusal> {
    let amount = params.amount("amount")?;
    if amount.is_some_and(|amount| amount > AMOUNT_MAX) {
        let message = "Amount must be no more than 99999999 in the currency's least unit.";
        return Err(Refusal::invalid("amount", message).code("amount_too_large"));
    }
    Ok(amount)
}

fn currency(text: &str) -> Result<String, Refusal> {
    let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_code {
        return Err(Refusal::invalid("currency", format!("Invalid currency: {text}.")));
    }
    Ok(text.to_ascii_lowercase())
}

/// How Stripe may choose methods, and which there are.
fn methods(params: &Params) -> Result<(Option<String>, Vec<String>), Refusal> {
    let named = params.list("payment_method_types");
    let is_automatic = params.flag("automatic_payment_methods[enabled]")?;
    let redirects = "automatic_payment_methods[allow_redirects]";
    let redirects = params.choice(redirects, &["always", "never"])?.unwrap_or("always");
    match (is_automatic, named.is_empty()) {
        (Some(true), false) => {
            let message = "You may only specify one of these parameters: automatic_payment_methods, \
                           payment_method_types.";
            Err(Refusal::new(400, "invalid_request_error", message))
        }
        (_, false) => Ok((None, named)),
        (Some(false), true) => Ok((None, vec!["card".to_owned()])),
        (_, true) => Ok((Some(redirects.to_owned()), vec!["card".to_owned()])),
    }
}
