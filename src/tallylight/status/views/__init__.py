"""What the faces show, as finished values: from verdicts, spells and facts to words; pure."""
