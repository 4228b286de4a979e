"""What a YAML file may say of a training, and how it is read."""
