"""Demand models over whole panels, arrays in and arrays out, under one signature each.

`season`: growth and season that all items share; `smoothing`: negative binomial with fading memory, static for an
infinite half-life; `hurdle`: occurrence and size apart; `choose`: what each counts, by proper scores of held-out sums.
"""
