//! One test per guarantee of [`PaymentStore`], run on every engine, races included.
