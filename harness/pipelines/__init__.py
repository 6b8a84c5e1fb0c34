"""Systems of several stages: fused runs, chosen parameters, rerankers, and audits."""
