//! Load with an external ledger, faults and verdicts.
