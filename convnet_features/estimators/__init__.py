"""What the three estimators are made of."""
