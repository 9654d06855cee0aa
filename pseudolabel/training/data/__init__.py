"""What is learned from: clips of releases and runs, images, their texts, and in which order."""
