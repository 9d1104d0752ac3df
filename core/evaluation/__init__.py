"""How well a pack tells people apart, measured on photos of people who are known.

A *mate* is another photo of the same person, an *impostor* or *stranger* one of somebody else; the
words and the error rates are those of NIST's reports on 1:N search. FMR: share of pairs of
different people that pass as one. FNMR: share of pairs of one person that do not. FPIR: share of
searches for strangers that find anybody. FNIR: share of searches for enrolled people that do not
find them first. TAR is 1 - FNMR.
"""
