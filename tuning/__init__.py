"""Searches for better recipes by Keras Tuner: they finish, they resume, they spread over machines.

`python -m tuning.search --study nand_step4`. A study is a file of `tuning/studies/`, or a file of your own.
"""
