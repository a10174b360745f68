"""Which gold examples a text is shown with: strategies, order, budget, and what may never be shown."""
