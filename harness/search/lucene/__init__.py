"""Lucene's default English analyzer without a JVM: words, possessives, stop words, stems."""
