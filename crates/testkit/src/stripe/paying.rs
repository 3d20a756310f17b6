//! How an intent is paid: by a request of the shop that confirms it, or by the buyer, whom the double plays.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    account::{Account, Row},
    intents::{Intent, Status},
    params::Params,
    refusal::Refusal,
};

/// What comes of an attempt to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The money is taken, or reserved where it is captured later.
    Succeed,
    /// The bank says no.
    Decline,
    /// The bank wants the buyer to authenticate.
    RequireAction,
    /// Nobody knows yet.
    Processing,
}

impl Account {
    /// `POST /v1/payment_intents/{id}/confirm`.
    pub(super) fn confirm_intent(&mut self, id: &str, params: &Params) -> Result<Value, Refusal> {
        params.allow(&["payment_method", "receipt_email", "return_url"])?;
        let mut intent = self.intents.named(id, "intent")?;
        intent.texts.merge(params);
        if intent.status.awaits_buyer() {
            self.take_method(&mut intent, params)?;
        }
        Self::check_can_confirm(&intent)?;
        self.confirm(intent)
    }

    /// The buyer pays, or tries to.
    pub(super) fn pay(&mut self, id: &str, outcome: Outcome) -> Result<Value, Refusal> {
        let mut intent = self.intents.named(id, "intent")?;
        if !intent.status.awaits_buyer() && intent.status != Status::Processing {
            return Err(cannot_confirm(&intent));
        }
        if intent.payment_method.is_none() {
            intent.payment_method = Some((self.id("pm"), "pm_card_visa".to_owned()));
        }
        Ok(self.attempt(intent, outcome, "generic_decline").wire())
    }

    /// What was reserved lapses.
    pub(super) fn lapse(&mut self, id: &str) -> Result<Value, Refusal> {
        let mut intent = self.intents.named(id, "intent")?;
        if intent.status != Status::RequiresCapture {
            let message = "Only what requires capture can lapse.".to_owned();
            return Err(Refusal::unexpected_state(message, intent.wire()));
        }
        intent.cancel(Some("automatic"), self.now());
        self.tell("payment_intent.canceled", &intent);
        self.intents.put(intent.clone());
        Ok(intent.wire())
    }

    /// Takes the method of payment that the request names, if any.
    pub(super) fn take_method(&self, intent: &mut Intent, params: &Params) -> Result<(), Refusal> {
        let Some(token) = params.text("payment_method") else { return Ok(()) };
        if !token.starts_with("pm_") {
            return Err(Refusal::no_such("PaymentMethod", token, "payment_method"));
        }
        intent.payment_method = Some((self.id("pm"), token.to_owned()));
        if intent.status == Status::RequiresPaymentMethod {
            intent.status = Status::RequiresConfirmation;
        }
        Ok(())
    }

    /// Refuses an intent that is beyond confirming, or lacks something for it.
    pub(super) fn check_can_confirm(intent: &Intent) -> Result<(), Refusal> {
        if !intent.status.awaits_buyer() {
            return Err(cannot_confirm(intent));
        }
        if intent.payment_method.is_none() {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either \
                           update the PaymentIntent with a payment method and then confirm it again, or confirm it \
                           again directly with a payment method or ConfirmationToken.";
            return Err(Refusal::unexpected_state(message.to_owned(), intent.wire()));
        }
        let may_redirect = intent.automatic_methods.as_deref() == Some("always");
        if may_redirect && intent.texts.return_url.is_none() {
            let message = "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. \
                           Because some of these payment methods might redirect your customer off of your page, you \
                           must provide a `return_url`. If you don't want to accept redirect-based payment methods, \
                           set `automatic_payment_methods[enabled]` to `true` and \
                           `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and \
                           Payment Intents.";
            return Err(Refusal::new(400, "invalid_request_error", message).begun());
        }
        Ok(())
    }

    /// Attempts what the intent's method of payment is for: Stripe's tokens for tests say what comes of them.
    pub(super) fn confirm(&mut self, intent: Intent) -> Result<Value, Refusal> {
        let token = intent.payment_method.as_ref().map(|(_, token)| token.as_str());
        let (outcome, decline_code) = plan(token.unwrap_or_default());
        let intent = self.attempt(intent, outcome, decline_code);
        match &intent.last_error {
            Some(error) if outcome == Outcome::Decline => Err(declined(error, intent.wire())),
            _ => Ok(intent.wire()),
        }
    }

    fn attempt(&mut self, mut intent: Intent, outcome: Outcome, code: &'static str) -> Intent {
        intent.next_action = None;
        intent.last_error = None;
        let told = match outcome {
            Outcome::Succeed => {
                self.add_charge(&mut intent, None);
                if intent.is_manual() {
                    intent.status = Status::RequiresCapture;
                    intent.amount_capturable = intent.amount;
                    "payment_intent.amount_capturable_updated"
                } else {
                    intent.status = Status::Succeeded;
                    intent.amount_received = intent.amount;
                    "payment_intent.succeeded"
                }
            }
            Outcome::Decline => {
                self.add_charge(&mut intent, Some(code));
                intent.status = Status::RequiresPaymentMethod;
                intent.last_error = Some(error_of(&intent, code));
                intent.payment_method = None;
                "payment_intent.payment_failed"
            }
            Outcome::RequireAction => {
                intent.status = Status::RequiresAction;
                intent.next_action = Some(action(&intent));
                "payment_intent.requires_action"
            }
            Outcome::Processing => {
                intent.status = Status::Processing;
                "payment_intent.processing"
            }
        };
        self.tell(told, &intent);
        self.intents.put(intent.clone());
        intent
    }
}

/// What a token for tests is for.
fn plan(token: &str) -> (Outcome, &'static str) {
    match token {
        "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => {
            (Outcome::Decline, "generic_decline")
        }
        "pm_card_chargeDeclinedInsufficientFunds"
        | "pm_card_visa_chargeDeclinedInsufficientFunds" => {
            (Outcome::Decline, "insufficient_funds")
        }
        "pm_card_chargeDeclinedLostCard" | "pm_card_visa_chargeDeclinedLostCard" => {
            (Outcome::Decline, "lost_card")
        }
        "pm_card_authenticationRequired" | "pm_card_threeDSecure2Required" => {
            (Outcome::RequireAction, "")
        }
        _ => (Outcome::Succeed, ""),
    }
}

fn action(intent: &Intent) -> Value {
    let url = format!("https://hooks.stripe.com/3d_secure_2/hosted?payment_intent={}", intent.id);
    match &intent.texts.return_url {
        Some(back) => json!({
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": back, "url": url},
        }),
        None => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
        }),
    }
}

fn error_of(intent: &Intent, decline_code: &str) -> Value {
    let message = match decline_code {
        "insufficient_funds" => "Your card has insufficient funds.",
        _ => "Your card was declined.",
    };
    let method = intent.payment_method.as_ref();
    let method =
        method.map(|(id, _)| json!({"id": id, "object": "payment_method", "type": "card"}));
    json!({
        "charge": intent.latest_charge,
        "code": "card_declined",
        "decline_code": decline_code,
        "doc_url": "https://stripe.com/docs/error-codes/card-declined",
        "message": message,
        "payment_method": method,
        "type": "card_error",
    })
}

fn declined(error: &Value, intent: Value) -> Refusal {
    let message = error["message"].as_str().unwrap_or_default();
    let refusal = Refusal::new(402, "card_error", message).code("card_declined");
    let with = |refusal: Refusal, name: &str| refusal.with(name, error[name].clone());
    let refusal = ["charge", "decline_code", "payment_method"].into_iter().fold(refusal, with);
    refusal.with("payment_intent", intent).begun()
}

fn cannot_confirm(intent: &Intent) -> Refusal {
    let message = match intent.status {
        Status::Succeeded | Status::RequiresCapture => {
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
                .to_owned()
        }
        status => format!(
            "You cannot confirm this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of the \
             following statuses may be confirmed: requires_payment_method, requires_confirmation, requires_action.",
            status.name()
        ),
    };
    Refusal::unexpected_state(message, intent.wire())
}
